"""What the commands that ask have in common: options, the place that is asked, progress. Measures nothing."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from eval.datasets import Case
from rag.settings import Settings

if TYPE_CHECKING:
    from rag.app import App

json_option = click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
limit_option = click.option("--limit", type=click.IntRange(min=1), help="Ask at most this many questions.")
messages = Console(stderr=True, highlight=False)

_MODES = click.Choice(["auto", "quote"])


def asking_options(command: Callable[..., None]) -> Callable[..., None]:
    """Options of every command that asks questions."""
    options = (
        click.option("--model", help="Model that answers. Default: setting model.default."),
        click.option("--mode", type=_MODES, default="auto", show_default=True, help="`quote` leaves the model out."),
        click.option(
            "--parallel", type=click.IntRange(min=1), default=1, show_default=True, help="Questions at a time."
        ),
        click.option("--baseline", metavar="RUN", help="Compare with this run; exit 1 if it was better beyond noise."),
        click.option(
            "--per-case", type=click.Path(path_type=Path), help="Write one JSON object per case to this file."
        ),
        limit_option,
        json_option,
    )
    for option in reversed(options):
        command = option(command)
    return command


def corpus_options(command: Callable[..., None]) -> Callable[..., None]:
    """Options that say which documents a suite is asked of."""
    options = (
        click.option("--collection", "-c", help="Ask here, whatever the cases say. Name or id."),
        click.option(
            "--documents",
            type=click.Path(path_type=Path, exists=True, file_okay=False),
            help="Ask over this folder, in a temporary collection. Without a collection: `documents` beside the suite.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


@contextmanager
def suite_app(
    settings: Settings, suite: Path, cases: Sequence[Case], collection: str | None, documents: Path | None
) -> Iterator[tuple["App", str | None, str]]:
    """The service, the collection to ask (None: each case names its own), and a name for the corpus."""
    from eval.workplace import add_folder, open_app, temporary_app

    beside = suite.parent / "documents"
    if documents is None and collection is None and not all(case.collection for case in cases) and beside.is_dir():
        documents = beside
    with temporary_app(settings) if documents else open_app(settings) as app:
        if documents:
            collection = app.catalog.create_collection(name="suite").id
            with messages.status(f"taking in {documents}"):
                add_folder(app, collection, documents)
        yield app, collection, _digest(documents) if documents else (collection or "named by each case")


def _digest(folder: Path) -> str:
    """A short name for what lies in a folder: equal for equal files."""
    digest = hashlib.blake2b(digest_size=8)
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return f"{folder.name}-{digest.hexdigest()}"


@contextmanager
def progress_bars(*tasks: tuple[str, int]) -> Iterator[tuple[Callable[[int], None], ...]]:
    """Progress bars on standard error; each callback advances its own."""
    columns = (TextColumn("{task.description:>10}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=messages, transient=True) as progress:
        made = [progress.add_task(name, total=total) for name, total in tasks]
        yield tuple(partial(progress.advance, task) for task in made)
