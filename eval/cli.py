"""`footnote eval ...`: data sets and suites through the real service. Parses words, measures nothing."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from eval.datasets import Case, read_beir, read_claims, read_qa, read_suite
from eval.errors import EvaluationError
from rag.settings import Settings

if TYPE_CHECKING:
    from eval.suites import SuiteRun

json_option = click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
limit_option = click.option("--limit", type=click.IntRange(min=1), help="Ask at most this many questions.")

_MOST_SHOWN = 40  # cases that were not right, on the terminal
_MODES = click.Choice(["auto", "quote"])
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
@click.option(
    "--plain", is_flag=True, help="One vector per document, dense and exact: how public figures are measured."
)
@limit_option
@json_option
@click.pass_context
def retrieval(
    ctx: click.Context, folder: Path, mode: str, exact: bool, plain: bool, limit: int | None, as_json: bool
) -> None:
    """Retrieval on a BEIR folder (corpus.jsonl, queries.jsonl, qrels.tsv)."""
    if plain:
        mode, exact = "dense", True
    # Imported here and below: models and views load in seconds that `--help` need not wait for.
    from eval.report import print_measures
    from eval.retrieval import fill, run_retrieval, summarise_retrieval
    from eval.workplace import temporary_app

    data = read_beir(folder, limit)
    with temporary_app(_settings(ctx)) as app:
        with _bars(("documents", len(data.documents)), ("questions", len(data.queries))) as (ingested, asked):
            collection = fill(app, data, ingested, plain=plain)
            run = run_retrieval(app, data, collection, mode=mode, exact=exact, asked=asked)  # type: ignore[arg-type]
        result = {
            "mode": mode,
            "exact": exact,
            "plain": plain,
            "embedder": app.embedder.stamp.key,
        } | summarise_retrieval(data, run)
    _print_json(result) if as_json else print_measures(f"retrieval on {data.name}, {mode}", result)


def asking_options(command: Callable[..., None]) -> Callable[..., None]:
    """Options of every command that asks questions."""
    options = (
        click.option("--model", help="Model that answers. Default: setting model.default."),
        click.option("--mode", type=_MODES, default="auto", show_default=True, help="`quote` leaves the model out."),
        click.option(
            "--parallel", type=click.IntRange(min=1), default=1, show_default=True, help="Questions at a time."
        ),
        click.option(
            "--per-case", type=click.Path(path_type=Path), help="Write one JSON object per case to this file."
        ),
        limit_option,
        json_option,
    )
    for option in reversed(options):
        command = option(command)
    return command


@eval_group.command("run")
@click.argument("suite", type=click.Path(path_type=Path))
@click.option("--collection", "-c", help="Ask here, whatever the cases say. Name or id.")
@click.option(
    "--documents",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Ask over this folder, in a temporary collection. Without a collection: `documents` beside the suite.",
)
@asking_options
@click.pass_context
def run(
    ctx: click.Context,
    suite: Path,
    collection: str | None,
    documents: Path | None,
    model: str | None,
    mode: str,
    parallel: int,
    per_case: Path | None,
    limit: int | None,
    as_json: bool,
) -> None:
    """A suite of your own: JSON lines with question, kind, answers and spans."""
    from eval.suites import run_cases
    from eval.workplace import add_folder, open_app, temporary_app

    cases = read_suite(suite, limit)
    beside = suite.parent / "documents"
    if documents is None and collection is None and not all(case.collection for case in cases) and beside.is_dir():
        documents = beside
    with temporary_app(_settings(ctx)) if documents else open_app(_settings(ctx)) as app:
        if documents:
            collection = app.catalog.create_collection(name="suite").id
            with _messages.status(f"taking in {documents}"):
                add_folder(app, collection, documents)
        with _bars(("questions", len(cases))) as (asked,):
            done = run_cases(
                app,
                cases,
                collection=collection,
                model=model,
                mode=mode,  # type: ignore[arg-type]  # click has checked the choice
                parallel=parallel,
                asked=asked,
            )
    _show(suite.stem, cases, done, per_case, as_json)


@eval_group.command("qa")
@click.argument("file", type=click.Path(path_type=Path))
@asking_options
@click.pass_context
def qa(
    ctx: click.Context,
    file: Path,
    model: str | None,
    mode: str,
    parallel: int,
    per_case: Path | None,
    limit: int | None,
    as_json: bool,
) -> None:
    """Questions with contexts (question, context, answers, answerable), asked over all the contexts together."""
    from eval.suites import run_cases
    from eval.workplace import add_texts, temporary_app

    data = read_qa(file, limit)
    with temporary_app(_settings(ctx)) as app:
        collection = app.catalog.create_collection(name="contexts").id
        with _bars(("contexts", len(data.texts)), ("questions", len(data.cases))) as (ingested, asked):
            add_texts(app, collection, data.texts, ingested)
            done = run_cases(
                app,
                data.cases,
                collection=collection,
                model=model,
                mode=mode,  # type: ignore[arg-type]  # click has checked the choice
                parallel=parallel,
                asked=asked,
            )
    _show(file.stem, data.cases, done, per_case, as_json)


@eval_group.command("hallucination")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--per-case", type=click.Path(path_type=Path), help="Write id and score of each case to this file.")
@limit_option
@json_option
@click.pass_context
def hallucination(ctx: click.Context, file: Path, per_case: Path | None, limit: int | None, as_json: bool) -> None:
    """The verifier on texts known to be faithful or made up (context, answer, hallucinated)."""
    from eval.hallucination import check_claims, summarise_claims
    from eval.report import print_measures
    from rag.app import open_grounding

    settings = _settings(ctx)
    claims = read_claims(file, limit)
    threshold = settings.answer_support_threshold
    verifier = open_grounding(settings).verifier
    with _bars(("texts", len(claims))) as (done,):
        checked = check_claims(verifier, claims, threshold, done)
    if per_case:
        with per_case.open("w", encoding="utf-8") as out:
            for claim in claims:
                spans = [asdict(span) for span in checked[claim.id].spans]
                out.write(json.dumps({"id": claim.id, "score": checked[claim.id].score, "spans": spans}) + "\n")
    result = {"suite": file.stem} | summarise_claims(claims, checked, threshold)
    _print_json(result) if as_json else print_measures(file.stem, result)


def _show(name: str, cases: Sequence[Case], done: "SuiteRun", per_case: Path | None, as_json: bool) -> None:
    from eval.report import print_cases, print_measures
    from eval.suites import by_tag, write_cases

    if per_case:
        write_cases(per_case, cases, done)
    result = {"suite": name} | done.summary | {"by_tag": by_tag(cases, done.scores)}
    if as_json:
        _print_json(result)
        return
    print_measures(name, result)
    failed = [case for case in cases if not done.scores[case.id].right]
    print_cases(
        f"{len(failed)} not right" + (f", the first {_MOST_SHOWN}" if len(failed) > _MOST_SHOWN else ""),
        [(case.id, f"{case.kind}: {done.scores[case.id].outcome}", case.question) for case in failed[:_MOST_SHOWN]],
    )


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
