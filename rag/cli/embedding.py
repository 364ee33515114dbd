"""`footnote models embed`: another embedding model, built beside the one that serves. Knows no view.

A running service and its workers take the new one by themselves; nothing is restarted.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from index.generations import GenerationInfo, Generations
from index.pgvector import drop_tables
from index.reembed import build_and_switch
from rag.app import open_model, serving_embedder
from rag.cli.corpus import open_database
from rag.cli.show import json_option, messages, print_json, print_table, settings_of
from rag.processors import BATCH_NICE, step_back


@click.command("embed")
@click.argument("name", required=False)
@click.option("--undo", is_flag=True, help="Go back to the model that served before.")
@click.option("--drop-old", is_flag=True, help="Remove the vectors of all models that do not serve. Ends undoing.")
@json_option
@click.pass_context
def embed(ctx: click.Context, name: str | None, undo: bool, drop_old: bool, as_json: bool) -> None:
    """Embed all documents anew with the model NAME (a name or a folder), then let it serve; without NAME, say who does.

    Questions are answered from the old vectors meanwhile. Cut off, the same command goes on where it stopped.
    """
    if sum((name is not None, undo, drop_old)) > 1:
        raise click.UsageError("give a NAME, or --undo, or --drop-old")
    settings, database = settings_of(ctx), open_database(ctx)
    generations = Generations(database)
    facts: dict[str, Any] = {}
    if drop_old:
        facts["dropped"] = generations.drop()
        drop_tables(database, facts["dropped"])
        messages.print(f"Dropped: {', '.join(facts['dropped']) or 'nothing'}.")
    elif undo or name is not None:
        model = generations.previous().model if undo else _named(str(name))
        present = serving_embedder(settings, database)
        ctx.call_on_close(present.close)
        now = generations.serving()
        new = open_model(settings, model)
        ctx.call_on_close(new.close)
        generations.begin((present.stamp.key, now[1] if now else settings.embedder_model), (new.stamp.key, model))
        step_back(BATCH_NICE)  # whoever asks meanwhile comes first
        start = time.monotonic()
        with _shown() as bar:
            task = bar.add_task("embedding", total=None)
            build_and_switch(generations, new, lambda done, of: bar.update(task, completed=done, total=of))
        facts["seconds"] = round(time.monotonic() - start, 3)
        messages.print(f"{new.stamp.key} serves now. `footnote models embed --undo` goes back, --drop-old makes room.")
    _print(generations.listing(), facts, as_json, settings.embedder_model)


def _named(name: str) -> str:
    """A folder by its whole path, so that every process finds it."""
    folder = Path(name).expanduser()
    return str(folder.resolve()) if folder.is_dir() else name


def _shown() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=messages)


def _print(found: Sequence[GenerationInfo], facts: dict[str, Any], as_json: bool, configured: str) -> None:
    if as_json:
        print_json({"generations": found, **facts})
        return
    print_table(
        ("state", "model", "vectors", "of", "serves since", "stamp"),
        ((g.state, g.model, g.vectors, g.chunks, g.switched_at, g.stamp) for g in found),
        empty=f"The embedding model is that of the settings, {configured}; it was never changed.",
    )
