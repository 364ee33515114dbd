"""The servers that are compared, each a process of its own on a free port. Knows no measurement.

Ours is `footnote serve`; the others are the server that comes with llama-cpp-python and, where somebody has built it,
llama.cpp's own. All get the same file, threads and environment.
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import click
import httpx

from rag.processors import let_waiting_threads_sleep

START_SECONDS = 900.0  # the first start converts the embedding model, on a busy machine for long
_PEER_NEEDS = ("fastapi", "sse_starlette", "starlette_context", "pydantic_settings")


@dataclass(frozen=True, slots=True)
class Server:
    """Somebody who speaks the OpenAI protocol at `address`, as process `pid`."""

    name: str
    address: str
    model: str
    pid: int


@contextmanager
def our_server(path: Path, models: Path, *, threads: int, sequences: int, context_tokens: int) -> Iterator[Server]:
    """This service over an empty data folder. `models`: where converted embedding models are kept."""
    port = _free_port()
    with tempfile.TemporaryDirectory(prefix="footnote-serve-") as folder:
        models.mkdir(parents=True, exist_ok=True)
        (Path(folder) / "models").symlink_to(models.resolve(), target_is_directory=True)
        told = {
            "FOOTNOTE_MODEL_PATH": str(path.resolve()),
            "FOOTNOTE_MODEL_THREADS": str(threads),
            "FOOTNOTE_MODEL_SEQUENCES": str(sequences),
            "FOOTNOTE_MODEL_CONTEXT_TOKENS": str(context_tokens),
            "FOOTNOTE_MODEL_QUEUE": "2000",
            "FOOTNOTE_MODEL_OPTIMIZE": "off",
            "FOOTNOTE_LOG_LEVEL": "warning",
        }
        command = (sys.executable, "-m", "rag.cli", "--data", folder, "serve", "--port", str(port), "--workers", "0")
        with _started("ours", command, port, "/api/v1/health/ready", "local", told) as server:
            yield server


@contextmanager
def peer_server(path: Path, *, threads: int, context_tokens: int) -> Iterator[Server]:
    """The server of llama-cpp-python, as its documentation starts it; askers wait for each other.

    Raises click.ClickException where what it needs is not installed.
    """
    missing = [name for name in _PEER_NEEDS if find_spec(name) is None]
    if missing:
        raise click.ClickException(
            f"the server of llama-cpp-python needs {', '.join(missing)}; install footnote[dev], or give --alone"
        )
    port = _free_port()
    given = {
        "model": str(path),
        "n_ctx": context_tokens,
        "n_threads": threads,
        "n_threads_batch": threads,
        "host": "127.0.0.1",
        "port": port,
        "verbose": "false",
        "interrupt_requests": "false",  # else a new asker ends the answer of the one before
        "model_alias": "local",
    }
    options = [part for name, value in given.items() for part in (f"--{name}", str(value))]
    with _started(
        "peer", (sys.executable, "-m", "llama_cpp.server", *options), port, "/v1/models", "local", {}
    ) as server:
        yield server


@contextmanager
def native_server(binary: Path, path: Path, *, threads: int, sequences: int, context_tokens: int) -> Iterator[Server]:
    """llama.cpp's own server, built elsewhere: as many answers at once as ours."""
    port = _free_port()
    given = {
        "--model": path,
        "--ctx-size": sequences * context_tokens,
        "--parallel": sequences,
        "--threads": threads,
        "--threads-batch": threads,
        "--alias": "local",
        "--host": "127.0.0.1",
        "--port": port,
    }
    options = [str(part) for pair in given.items() for part in pair]
    with _started("native", (str(binary), *options), port, "/health", "local", {}) as server:
        yield server


@contextmanager
def _started(
    name: str, command: Sequence[str], port: int, ready: str, model: str, told: dict[str, str]
) -> Iterator[Server]:
    # What it says goes to a file: a pipe that nobody reads would stop it.
    with tempfile.TemporaryFile() as said:
        environment = {**os.environ, **told}
        let_waiting_threads_sleep(environment)
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=environment)
        try:
            server = Server(name, f"http://127.0.0.1:{port}", model, process.pid)
            if not _answers(process, server.address + ready):
                said.seek(0)
                last = said.read().decode(errors="replace").strip().splitlines()[-1:]
                raise click.ClickException(f"the server {name} did not start: {' '.join(last) or 'it said nothing'}")
            yield server
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _answers(process: "subprocess.Popen[bytes]", address: str) -> bool:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            if httpx.get(address, timeout=10).status_code == 200:
                return True
        except httpx.HTTPError:
            pass  # not yet
        time.sleep(0.1)
    return False


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port
