"""`footnote eval ...`: data sets and suites through the real service. Parses words, measures nothing."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from eval.errors import EvaluationError
from rag.settings import Settings

json_option = click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
limit_option = click.option("--limit", type=click.IntRange(min=1), help="Ask at most this many questions.")

_messages = Console(stderr=True, highlight=False)


class EvaluationGroup(click.Group):
    """Turns an error of an evaluation into one line and exit code 1, as the root command does with other errors."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except EvaluationError as error:
            click.echo(f"footnote: {error}", err=True)
            ctx.exit(1)


@click.group("eval", cls=EvaluationGroup)
def eval_group() -> None:
    """Measure retrieval and answers on data sets and suites of your own."""


@eval_group.command("retrieval")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--mode", type=click.Choice(["hybrid", "dense", "lexical"]), default="hybrid", show_default=True)
@click.option("--exact", is_flag=True, help="Scan every vector instead of the view: the oracle.")
@limit_option
@json_option
@click.pass_context
def retrieval(ctx: click.Context, folder: Path, mode: str, exact: bool, limit: int | None, as_json: bool) -> None:
    """Retrieval on a BEIR folder (corpus.jsonl, queries.jsonl, qrels.tsv)."""
    # Imported here and below: models and views load in seconds that `--help` need not wait for.
    from eval.datasets import read_beir
    from eval.report import print_measures
    from eval.retrieval import run_retrieval, summarise_retrieval
    from eval.workplace import temporary_app

    data = read_beir(folder, limit)
    with temporary_app(_settings(ctx)) as app:
        with _bars(("documents", len(data.documents)), ("questions", len(data.queries))) as (ingested, asked):
            run = run_retrieval(app, data, mode=mode, exact=exact, ingested=ingested, asked=asked)  # type: ignore[arg-type]
        result = {"mode": mode, "exact": exact, "embedder": app.embedder.stamp.key} | summarise_retrieval(data, run)
    _print_json(result) if as_json else print_measures(f"retrieval on {data.name}, {mode}", result)


def _settings(ctx: click.Context) -> Settings:
    settings: Settings = ctx.obj[0]
    return settings


def _print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")


@contextmanager
def _bars(*tasks: tuple[str, int]) -> Iterator[tuple[Callable[[int], None], ...]]:
    """Progress bars on standard error; each callback advances its own."""
    columns = (TextColumn("{task.description:>10}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=_messages, transient=True) as progress:
        made = [progress.add_task(name, total=total) for name, total in tasks]
        yield tuple(partial(progress.advance, task) for task in made)
