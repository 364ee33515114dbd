"""How values look on a terminal and as JSON. Knows no command."""

import dataclasses
import datetime
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.table import Table

from rag.settings import Settings

Command = TypeVar("Command", bound=click.Command)

json_option = click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
console = Console(highlight=False)
messages = Console(stderr=True, highlight=False)


def settings_of(ctx: click.Context) -> Settings:
    """The settings that the root command read."""
    settings: Settings = ctx.obj[0]
    return settings


def print_json(value: Any) -> None:
    """Write one JSON document; dataclasses, dates and paths included."""
    sys.stdout.write(json.dumps(value, default=_plain, ensure_ascii=False, indent=2) + "\n")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], empty: str) -> None:
    """A plain table, or `empty` when there are no rows."""
    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    count = 0
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
        count += 1
    console.print(table if count else empty)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, datetime.datetime):
        return value.astimezone().strftime("%Y-%m-%d %H:%M")
    return str(value)


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, Iterable) else str(value)


def json_line(value: Any) -> bytes:
    """One line of a JSONL file; the values that `print_json` takes."""
    return json.dumps(value, default=_plain, ensure_ascii=False).encode() + b"\n"
