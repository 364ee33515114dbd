"""`footnote eval ...`: data sets and suites through the real service. Parses words, measures nothing."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eval.asking_options import (
    asking_options,
    corpus_options,
    json_option,
    limit_option,
    messages,
    progress_bars,
    suite_app,
)
from eval.cli_judge import judge
from eval.cli_runs import RUN_COMMANDS
from eval.cli_threshold import threshold
from eval.datasets import Case, read_beir, read_claims, read_qa
from eval.errors import EvaluationError, Regression
from eval.suite_files import read_suite
from rag.settings import Settings

if TYPE_CHECKING:
    from rag.app import App
    from rag.course import Mode


_MOST_SHOWN = 40  # cases that were not right, on the terminal


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
        with progress_bars(("documents", len(data.documents)), ("questions", len(data.queries))) as (ingested, asked):
            collection = fill(app, data, ingested, plain=plain)
            run = run_retrieval(app, data, collection, mode=mode, exact=exact, asked=asked)  # type: ignore[arg-type]
        result = {
            "mode": mode,
            "exact": exact,
            "plain": plain,
            "embedder": app.embedder.stamp.key,
        } | summarise_retrieval(data, run)
    _print_json(result) if as_json else print_measures(f"retrieval on {data.name}, {mode}", result)


@eval_group.command("run")
@click.argument("suite", type=click.Path(path_type=Path))
@corpus_options
@asking_options
@click.pass_context
def run(
    ctx: click.Context,
    /,
    suite: Path,
    collection: str | None,
    documents: Path | None,
    limit: int | None,
    **options: Any,
) -> None:
    """A suite of your own: YAML or JSON lines with questions and what must be said of them."""
    cases = read_suite(suite, limit)
    with suite_app(_settings(ctx), suite, cases, collection, documents) as (app, name, corpus):
        _ask_and_show(ctx, app, suite.stem, cases, name, corpus, **options)


@eval_group.command("qa")
@click.argument("file", type=click.Path(path_type=Path))
@asking_options
@click.pass_context
def qa(
    ctx: click.Context,
    /,
    file: Path,
    limit: int | None,
    **options: Any,
) -> None:
    """Questions with contexts (question, context, answers, answerable), asked over all the contexts together."""
    from eval.workplace import add_texts, temporary_app

    data = read_qa(file, limit)
    with temporary_app(_settings(ctx)) as app:
        collection = app.catalog.create_collection(name="contexts").id
        with progress_bars(("contexts", len(data.texts))) as (ingested,):
            add_texts(app, collection, data.texts, ingested)
        _ask_and_show(ctx, app, file.stem, data.cases, collection, f"contexts of {file.name}", **options)


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
    with progress_bars(("texts", len(claims))) as (done,):
        checked = check_claims(verifier, claims, threshold, done)
    if per_case:
        with per_case.open("w", encoding="utf-8") as out:
            for claim in claims:
                spans = [asdict(span) for span in checked[claim.id].spans]
                out.write(json.dumps({"id": claim.id, "score": checked[claim.id].score, "spans": spans}) + "\n")
    result = {"suite": file.stem} | summarise_claims(claims, checked, threshold)
    _print_json(result) if as_json else print_measures(file.stem, result)


def _ask_and_show(
    ctx: click.Context,
    app: "App",
    name: str,
    cases: Sequence[Case],
    collection: str | None,
    corpus: str,
    *,
    model: str | None,
    mode: "Mode",
    parallel: int,
    per_case: Path | None,
    baseline: str | None,
    as_json: bool,
) -> None:
    """Ask the cases, keep the run in the data folder's database, show it, and compare it if asked to."""
    from eval.cli_runs import open_runs, show_comparison
    from eval.compare import compare
    from eval.report import print_cases, print_measures
    from eval.suites import by_tag, conditions, run_cases, write_cases

    with open_runs(_settings(ctx)) as runs:
        before = runs.cases(baseline) if baseline else None  # a wrong name is said before an hour of questions
        run, known = runs.begin(name, cases, conditions(app, model=model, mode=mode, corpus=corpus))
        if known:
            messages.print(f"run {run} goes on: {len(known)} of {len(cases)} questions were answered before")
        with progress_bars(("questions", len(cases))) as (asked,):
            done = run_cases(
                app,
                cases,
                collection=collection,
                model=model,
                mode=mode,
                parallel=parallel,
                asked=asked,
                known=known,
                keep=partial(runs.record, run),
            )
        runs.finish(run, done.summary)
        comparison = compare(before, runs.cases(run)) if before is not None else None
    if per_case:
        write_cases(per_case, cases, done)
    result = {"run": run, "suite": name} | done.summary | {"by_tag": by_tag(cases, done.scores)}
    if as_json:
        _print_json(result | ({"comparison": asdict(comparison)} if comparison else {}))
    else:
        print_measures(name, result)
        failed = [case for case in cases if not done.scores[case.id].right]
        print_cases(
            f"{len(failed)} not right" + (f", the first {_MOST_SHOWN}" if len(failed) > _MOST_SHOWN else ""),
            [(case.id, f"{case.kind}: {done.scores[case.id].outcome}", case.question) for case in failed[:_MOST_SHOWN]],
        )
        if comparison:
            show_comparison(comparison)
    if comparison and comparison.regressions:
        worse = ", ".join(f"{d.measure} {d.before:.3f} -> {d.after:.3f}" for d in comparison.regressions)
        raise Regression(f"run {run} is worse than {baseline} beyond noise: {worse}")


for _command in (*RUN_COMMANDS, threshold, judge):
    eval_group.add_command(_command)


def _settings(ctx: click.Context) -> Settings:
    settings: Settings = ctx.obj[0]
    return settings


def _print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")
