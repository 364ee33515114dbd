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
from rag.processors import let_waiting_threads_sleep
from rag.settings import load_settings

# name -> (module, what it does). A module loads when its command is called, so that `footnote --help` is quick.
OWN_COMMANDS = {
    "serve": ("rag.cli.serving", "Serve the API and the pages, with worker processes beside."),
    "worker": ("rag.cli.serving", "Run one ingestion worker until it is told to stop."),
    "ingest": ("rag.cli.ingesting", "Take in files and folders."),
    "sync": ("rag.cli.syncing", "Make a collection follow a folder or a site."),
    "jobs": ("rag.cli.ingesting", "List, show, retry, pause and cancel ingestion jobs."),
    "ask": ("rag.cli.answering", "Answer a question from the documents of a collection, with footnotes."),
    "replay": ("rag.cli.replaying", "Ask the question of an answer again and show what differs."),
    "search": ("rag.cli.answering", "Show the passages nearest to a question, with the scores of each stage."),
    "check": ("rag.cli.checking", "Say of each sentence of ANSWER whether the context supports it."),
    "collections": ("rag.cli.corpus", "List, create, show, change and delete collections."),
    "documents": ("rag.cli.corpus", "List, show and delete documents."),
    "models": ("rag.cli.models", "List, add, optimize, promote, roll back and remove models."),
    "users": ("rag.cli.accounts", "People and programs that may sign in or call."),
    "keys": ("rag.cli.accounts", "API keys of people and programs."),
    "audit": ("rag.cli.accounts", "Who did what to which object."),
    "verify": ("rag.cli.proving", "Prove that the views equal the truth, or that a deleted document is gone."),
    "backup": (
        "rag.cli.saving",
        "Copy what cannot be made again into a new folder, while the service runs.",
    ),
    "restore": ("rag.cli.saving", "Bring back a backup into the data folder."),
    "settings": ("rag.cli.housekeeping", "Show every setting with its value and where the value came from."),
    "doctor": ("rag.cli.housekeeping", "Say what is installed and what is missing, with the mend."),
}


class RootGroup(click.Group):
    """Loads commands by name and turns every error of ours into `footnote: ...` and exit code 1."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        return [*OWN_COMMANDS, *sorted(entry.name for entry in _plugin_commands())]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name in OWN_COMMANDS:
            room = importlib.import_module(OWN_COMMANDS[cmd_name][0])
            own: tuple[click.Command, ...] = room.COMMANDS
            return next(command for command in own if command.name == cmd_name)
        entry = next((entry for entry in _plugin_commands() if entry.name == cmd_name), None)
        loaded: click.Command | None = entry.load() if entry else None
        return loaded

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        rows = [(name, line) for name, (_, line) in OWN_COMMANDS.items()]
        for entry in _plugin_commands():
            command: click.Command = entry.load()
            rows.append((entry.name, command.get_short_help_str(limit=200)))
        with formatter.section("Commands"):
            formatter.write_dl(rows)

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
    service = ctx.invoked_subcommand in ("serve", "worker")
    # A person at a terminal wants the answer; the service's log is for whoever runs it.
    _set_up_logging(settings.log_level if service or origin["log_level"] != "default" else "warning")
    # Nothing is downloaded at run time, whatever a library's defaults are.
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TRANSFORMERS_OFFLINE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    let_waiting_threads_sleep(os.environ)
    ctx.obj = (settings, origin)


def _set_up_logging(level: str) -> None:
    logging.basicConfig(
        level=level.upper(), stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    for chatty in ("httpx", "httpcore", "uvicorn.access", "alembic", "dbos"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, logging.getLogger().level))


def _fail(message: str) -> NoReturn:
    click.echo(f"footnote: {message}", err=True)
    sys.exit(1)
