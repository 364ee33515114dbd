"""`footnote serve` and `footnote worker`: starting processes. Knows neither routes nor jobs."""

import signal
import threading
from pathlib import Path
from types import FrameType

import click

from rag.app import worker_parts
from rag.cli.show import settings_of
from rag.processors import WORKER_NICE, step_back
from rag.serve import run_server
from rag.settings import Settings, override

_FIRST_STEPS = """
Footnote is ready: {address}

  ask in the page      {address}
  ask in the terminal  footnote{data} ask "How do I reset my password?" --collection merrowdeck
  add documents        footnote{data} ingest FOLDER --collection NAME --wait
  read the API         {address}/api/docs

Data folder: {folder}. Stop with Ctrl+C.
"""


@click.command("serve")
@click.option("--host", help="Address to bind. Beyond loopback an owner is needed.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port. Default 8000.")
@click.option("--workers", type=click.IntRange(0, 64), help="Ingestion worker processes. Default 1.")
@click.pass_context
def serve(ctx: click.Context, host: str | None, port: int | None, workers: int | None) -> None:
    """Serve the API and the pages, with worker processes beside."""
    given = {"server_host": host, "server_port": port, "server_workers": workers}
    settings, origin = override(ctx.obj[0], ctx.obj[1], given)
    run_server(settings, origin=origin, on_ready=lambda address: click.echo(_banner(settings, address)))


@click.command("worker")
@click.option("--parent", type=int, help="Process id to live with: the worker ends when it does.")
@click.pass_context
def worker(ctx: click.Context, parent: int | None) -> None:
    """Run one ingestion worker until it is told to stop."""
    if parent is not None:
        step_back(WORKER_NICE)  # beside a server, those who ask go first
    stop = threading.Event()

    def end(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    worker_parts(settings_of(ctx), parent_pid=parent).run(stop)


def _banner(settings: Settings, address: str) -> str:
    shown = "" if settings.data.resolve() == Path("data").resolve() else f" --data {settings.data}"
    return _FIRST_STEPS.format(address=address, data=shown, folder=settings.data.resolve())


COMMANDS = (serve, worker)
