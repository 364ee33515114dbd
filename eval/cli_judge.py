"""`footnote eval judge`: a language model's opinion of a run. Parses words, judges nothing."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click

from eval.asking_options import json_option, limit_option, progress_bars
from eval.cli_runs import open_runs
from eval.errors import TextWouldLeave


@click.command("judge")
@click.argument("run")
@click.option("--model", help="Model that judges. Default: setting model.default.")
@click.option("--rounds", type=click.IntRange(1, 15), default=3, show_default=True, help="Votes on each case.")
@click.option("--send-text", is_flag=True, help="Let questions and answers leave this machine for a remote judge.")
@click.option("--per-case", type=click.Path(path_type=Path), help="Write the votes on each case to this file.")
@limit_option
@json_option
@click.pass_context
def judge(
    ctx: click.Context,
    run: str,
    model: str | None,
    rounds: int,
    send_text: bool,
    per_case: Path | None,
    limit: int | None,
    as_json: bool,
) -> None:
    """What a language model thinks of the answers of RUN; an opinion beside the measures, never a gate."""
    from eval.judge import judgeable, run_judge, summarise_judgements
    from eval.report import print_measures
    from eval.workplace import open_app

    with open_runs(ctx.obj[0]) as runs:
        cases = judgeable(runs.cases(run))[:limit]
    with open_app(ctx.obj[0]) as app:
        generator = app.models.get(model)
        if not generator.local and not send_text:
            raise TextWouldLeave(
                f"{generator.name} is a remote model, so questions and answers of the run would leave this machine; "
                "say --send-text if they may, or choose a local model"
            )
        with progress_bars(("answers", len(cases))) as (judged,):
            found = run_judge(generator, cases, rounds, judged)
        name = generator.name
    if per_case:
        lines = (json.dumps({"case": j.case, "votes": j.votes, "verdict": j.verdict}) for j in found)
        per_case.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    result = {"run": run, "judge": name, "rounds": rounds} | summarise_judgements(cases, found)
    if as_json:
        sys.stdout.write(json.dumps(result | {"judgements": [asdict(item) for item in found]}, indent=2) + "\n")
    else:
        print_measures(f"{run}, judged by {name}", result)
