"""`footnote bench hybrid`: prints and keeps what `bench/hybrid.py` measures."""

from pathlib import Path

import click
from rich.console import Console

from bench.hybrid import measure
from bench.record import RESULTS, record, show
from rag.settings import Settings

_messages = Console(stderr=True, highlight=False)


@click.command("hybrid")
@click.option("--size", type=click.IntRange(min=1000), default=20_000, show_default=True, help="Chunks.")
@click.option("--questions", type=click.IntRange(10, 200), default=100, show_default=True)
@click.option("--rate", type=click.IntRange(min=10), default=2000, show_default=True, help="Chunks/s that are written.")
@click.option("--seconds", type=float, default=10.0, show_default=True, help="How long they are written.")
@click.option("--chunks", type=click.IntRange(1, 1000), default=10, show_default=True, help="Of a document.")
@click.option("--database", default="", help="SQLAlchemy URL of an empty PostgreSQL database. Default SQLite.")
@click.option(
    "--output", type=click.Path(path_type=Path), default=RESULTS / "hybrid.json", help="Where figures are kept."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@click.pass_context
def hybrid_command(
    ctx: click.Context,
    size: int,
    questions: int,
    rate: int,
    seconds: float,
    chunks: int,
    database: str,
    output: Path,
    as_json: bool,
) -> None:
    """The whole way of a search under filters of 50 % to one document, and while chunks are written."""
    settings: Settings = ctx.obj[0]
    limits = {
        "flat_limit": settings.index_flat_limit,
        "sq8_limit": settings.index_sq8_limit,
        "delta_limit": settings.index_delta_limit,
    }
    with _messages.status(f"filling a database with {size} chunks, then asking"):
        figures = measure(size, questions, rate, seconds, limits, database, chunks)
    names = [name for name in figures if name.endswith("times_unfiltered")]
    ratios = {name.replace("times_unfiltered", "speed_vs_unfiltered"): 1 / figures[name] for name in names}
    result = record(ratios, figures, ("faiss-cpu", "tantivy", "SQLAlchemy"), output)
    show(result, as_json=as_json)
