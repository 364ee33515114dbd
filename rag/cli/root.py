"""The root command, its options, and the one place where an error becomes a line. Knows no single command's work."""

import importlib
import logging
import os
import sys
from importlib import metadata
from pathlib import Path
from typing import Any, NoReturn

import click

from index.errors import FootnoteError
from rag.settings import Settings, load_settings


# Which module brings which commands. They load when they are called, so that `footnote --help` is quick.
_OWN_COMMANDS = {
    "serve": "rag.cli.serving",
    "worker": "rag.cli.serving",
    "ingest": "rag.cli.ingesting",
    "jobs": "rag.cli.ingesting",
    "ask": "rag.cli.answering",
    "search": "rag.cli.answering",
    "collections": "rag.cli.corpus",
    "documents": "rag.cli.corpus",
    "models": "rag.cli.housekeeping",
    "settings": "rag.cli.housekeeping",
    "doctor": "rag.cli.housekeeping",
}


class RootGroup(click.Group):
    """Loads commands by name and turns every error of ours into `footnote: ...` and exit code 1."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*_OWN_COMMANDS, *sorted(entry.name for entry in _plugin_commands())]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in _OWN_COMMANDS:
            room = importlib.import_module(_OWN_COMMANDS[cmd_name])
            return next(command for command in room.COMMANDS if command.name == cmd_name)
        entry = next((entry for entry in _plugin_commands() if entry.name == cmd_name), None)
        return entry.load() if entry else None

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except FootnoteError as error:
            _fail(str(error))
        except BrokenPipeError:
            # The reader of our output has left (`footnote ... | head`): nothing is wrong.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(0)


def _plugin_commands() -> metadata.EntryPoints:
    """Commands of the rooms above this one (`eval`, `bench`), which must not be imported from here."""
    return metadata.entry_points(group="footnote.commands")


@click.group(cls=RootGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder that holds everything. Default: FOOTNOTE_DATA or ./data.",
)
@click.option("--verbose", "-v", is_flag=True, help="Log more, on standard error.")
@click.version_option(metadata.version("footnote"), prog_name="footnote")
@click.pass_context
def main(ctx: click.Context, data: Path | None, verbose: bool) -> None:
    """Answers from your own documents, with a footnote on every sentence."""
    settings, origin = load_settings({"data": data, "log_level": "debug" if verbose else None})
    _set_up_logging(settings)
    # Nothing is downloaded at run time, whatever a library's defaults are.
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TRANSFORMERS_OFFLINE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    ctx.obj = (settings, origin)


def _set_up_logging(settings: Settings) -> None:
    logging.basicConfig(
        level=settings.log_level.upper(), stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    for chatty in ("httpx", "httpcore", "uvicorn.access", "alembic", "dbos"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, logging.getLogger().level))


def _fail(message: str) -> NoReturn:
    click.echo(f"footnote: {message}", err=True)
    sys.exit(1)
