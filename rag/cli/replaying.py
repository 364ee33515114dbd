"""`footnote replay`: an answer that was given, asked again. Knows nothing of how an answer is made."""

import asyncio
from dataclasses import asdict

import click

from rag.app import App
from rag.cli.answering import open_app
from rag.cli.show import json_option, messages, print_json
from rag.course import Ask
from rag.events import Done
from rag.replay import ask_again, differences, outcome_of

_MOST_SHOWN = 400


@click.command("replay")
@click.argument("answer")
@json_option
@click.pass_context
def replay(ctx: click.Context, answer: str, as_json: bool) -> None:
    """Ask the question of an answer again and show what differs.

    It is asked as its trace says, over the corpus and with the models of today. Exit code 2 if anything differs.
    """
    app = open_app(ctx)
    record, trace = app.history.answer(answer), app.history.trace(answer)
    again = asyncio.run(_done(app, ask_again(record, trace)))
    new = app.history.answer(again)
    found = differences(outcome_of(record, trace), outcome_of(new, app.history.trace(again)))
    if as_json:
        print_json({"answer": answer, "again": again, "same": not found, "differences": [asdict(d) for d in found]})
    elif not found:
        click.echo(f"The same answer came out: {new.status}, {len(new.citations)} citations.")
    else:
        for difference in found:
            click.secho(difference.what, bold=True)
            click.echo(f"  before: {str(difference.before)[:_MOST_SHOWN]}")
            click.echo(f"  now:    {str(difference.after)[:_MOST_SHOWN]}")
        messages.print(f"[dim]The new answer is {again}.[/dim]")
    if found:
        ctx.exit(2)


async def _done(app: App, request: Ask) -> str:
    """The id of the new answer, once it has ended."""
    ended = ""
    async for event in app.answerer.answer(request):
        if isinstance(event, Done):
            ended = event.answer
    return ended


COMMANDS = (replay,)
