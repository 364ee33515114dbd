"""`footnote eval threshold`: what a collection's evidence threshold costs and gains. Parses words, measures nothing."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from eval.asking_options import corpus_options, progress_bars, suite_app
from eval.datasets import Case
from eval.scoring import Score
from eval.suite_files import read_suite
from eval.trade import Trade, lowest_that_declines, trade

_console = Console(highlight=False)


@click.command("threshold")
@click.argument("suite", type=click.Path(path_type=Path))
@corpus_options
@click.option(
    "--decline",
    type=click.FloatRange(0, 1),
    default=0.95,
    show_default=True,
    help="Look for the lowest threshold that declines this share of what must be declined.",
)
@click.option("--html", "html_file", type=click.Path(path_type=Path), help="Write the curve as a page.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@click.pass_context
def threshold(
    ctx: click.Context,
    suite: Path,
    collection: str | None,
    documents: Path | None,
    decline: float,
    html_file: Path | None,
    as_json: bool,
) -> None:
    """What each evidence threshold would give on SUITE, quoting; set one with `footnote collections change`."""
    from eval.suites import run_cases

    cases = read_suite(suite)
    with (
        suite_app(ctx.obj[0], suite, cases, collection, documents) as (app, name, _),
        progress_bars(("questions", len(cases))) as (asked,),
    ):
        run = run_cases(app, cases, collection=name, mode="quote", threshold=0.0, asked=asked)
    if html_file:
        from eval.documents import trade_page

        default = ctx.obj[0].answer_evidence_threshold
        html_file.write_text(trade_page(suite.stem, trade(cases, run.scores), default), encoding="utf-8")
    _show(cases, run.scores, decline, ctx.obj[0].answer_evidence_threshold, as_json=as_json)


def _show(cases: Sequence[Case], scores: Mapping[str, Score], decline: float, default: float, *, as_json: bool) -> None:
    rows, wanted = trade(cases, scores), lowest_that_declines(cases, scores, decline)
    if as_json:
        found = {"questions": len(cases), "default": default, "trade": [asdict(row) for row in rows]}
        sys.stdout.write(json.dumps(found | {"wanted": asdict(wanted) if wanted else None}, indent=2) + "\n")
        return
    table = Table(
        "threshold", "answered", "answered right", "declined", "wrong of all", "", box=None, header_style="bold"
    )
    best = max(rows, key=lambda row: row.balance)
    for row in rows:
        notes = [text for text, here in (("best balance", row is best), ("default", row.threshold == default)) if here]
        table.add_row(*_cells(row), ", ".join(notes))
    _console.print(table)
    if wanted:
        _console.print(
            f"From {wanted.threshold:.3f} on {wanted.declined:.0%} of what must be declined is declined, and "
            f"{wanted.answered:.0%} of the answerable is answered, {wanted.answered_right:.0%} rightly."
        )


def _cells(row: Trade) -> tuple[str, ...]:
    return (
        f"{row.threshold:.2f}",
        f"{row.answered:.3f}",
        f"{row.answered_right:.3f}",
        f"{row.declined:.3f}",
        f"{row.wrong:.3f}",
    )
