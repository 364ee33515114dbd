"""`footnote eval runs`, `compare` and `report`: runs that were kept. Parses words, measures nothing."""

import json
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table

from eval.compare import Comparison, compare
from rag.settings import Settings

if TYPE_CHECKING:
    from eval.runs import Runs

_console = Console(highlight=False)
_MOST_CHANGED = 40


@contextmanager
def open_runs(settings: Settings) -> Iterator["Runs"]:
    """The runs kept in the data folder's database."""
    from eval.runs import Runs
    from index.database import Database
    from rag.app import check_data_folder

    check_data_folder(settings.data)
    with closing(Database(settings.resolved_database_url)) as database:
        database.migrate()
        yield Runs(database)


@click.command("runs")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@click.pass_context
def runs(ctx: click.Context, as_json: bool) -> None:
    """The newest runs, newest first."""
    with open_runs(ctx.obj[0]) as kept:
        found = kept.runs()
    if as_json:
        rows = [asdict(run) | {"created_at": run.created_at.isoformat(), "finished_at": None} for run in found]
        for row, run in zip(rows, found, strict=True):
            row["finished_at"] = run.finished_at.isoformat() if run.finished_at else None
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
        return
    table = Table("run", "suite", "begun (UTC)", "questions", "right", "wrong", box=None, header_style="bold")
    for run in found:
        summary = run.summary
        right = summary.get("answered_right")
        table.add_row(
            run.id,
            run.suite,
            f"{run.created_at:%Y-%m-%d %H:%M}",
            str(summary.get("questions", "unfinished")),
            f"{right:.3f}" if right is not None else "",
            f"{summary['wrong']:.3f}" if "wrong" in summary else "",
        )
    _console.print(table if found else "No runs yet; `footnote eval run SUITE` makes one.")


@click.command("compare")
@click.argument("before")
@click.argument("after")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@click.pass_context
def compare_runs(ctx: click.Context, before: str, after: str, as_json: bool) -> None:
    """What changed from run BEFORE to run AFTER, case by case, with paired intervals."""
    with open_runs(ctx.obj[0]) as kept:
        comparison = compare(kept.cases(before), kept.cases(after))
    if as_json:
        sys.stdout.write(json.dumps(asdict(comparison), ensure_ascii=False, indent=2) + "\n")
    else:
        show_comparison(comparison)


@click.command("report")
@click.argument("run")
@click.option("--baseline", metavar="RUN", help="Also show what changed since this run.")
@click.option("--html", "html_file", type=click.Path(path_type=Path), help="Write one page that needs no network.")
@click.option("--markdown", "markdown_file", type=click.Path(path_type=Path), help="Write a summary to this file.")
@click.option("--junit", "junit_file", type=click.Path(path_type=Path), help="Write JUnit XML, a case per question.")
@click.pass_context
def report(
    ctx: click.Context,
    run: str,
    baseline: str | None,
    html_file: Path | None,
    markdown_file: Path | None,
    junit_file: Path | None,
) -> None:
    """A run as files; without options its Markdown on standard output."""
    from eval.documents import html, junit, markdown

    with open_runs(ctx.obj[0]) as kept:
        info, cases = kept.run(run), kept.cases(run)
        comparison = compare(kept.cases(baseline), cases) if baseline else None
    if html_file:
        html_file.write_text(html(info, cases, comparison), encoding="utf-8")
    if junit_file:
        junit_file.write_text(junit(info, cases), encoding="utf-8")
    if markdown_file:
        markdown_file.write_text(markdown(info, cases, comparison), encoding="utf-8")
    if not (html_file or junit_file or markdown_file):
        click.echo(markdown(info, cases, comparison))


def show_comparison(comparison: Comparison) -> None:
    """The differences and the changed cases, on the terminal."""
    table = Table("measure", "before", "after", "change", "95 % interval", "", box=None, header_style="bold")
    for d in comparison.differences:
        colour = {"better": "green", "worse": "red"}.get(d.verdict, "dim")
        table.add_row(
            d.measure, f"{d.before:.3f}", f"{d.after:.3f}", f"{d.change:+.3f}", d.between, f"[{colour}]{d.verdict}[/]"
        )
    _console.print(table)
    if comparison.only_before or comparison.only_after:
        _console.print(
            f"{comparison.only_before} cases only before and {comparison.only_after} only after are left out."
        )
    for before, after in comparison.changed[:_MOST_CHANGED]:
        word, colour = ("won", "green") if after.score.right else ("lost", "red")
        _console.print(f"[{colour}]{word}[/] {after.case}: {after.question}", markup=True)
        _console.print(f"     before: {before.score.outcome}, {before.score.text[:160]!r}", markup=False)
        _console.print(f"     after:  {after.score.outcome}, {after.score.text[:160]!r}", markup=False)


RUN_COMMANDS = (runs, compare_runs, report)
