"""Figures for people, on a terminal. Knows no measurement."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

_console = Console(highlight=False)


def print_measures(title: str, result: Mapping[str, Any]) -> None:
    """A table of the figures, each with its interval where there is one."""
    intervals = result.get("intervals", {})
    table = Table("measure", "value", "95 % interval", title=title, box=None, header_style="bold", title_justify="left")
    for name, value in result.items():
        if isinstance(value, Mapping):
            continue
        low_high = intervals.get(name)
        table.add_row(name, _shown(value), f"{low_high[0]:.3f} to {low_high[1]:.3f}" if low_high else "")
    _console.print(table)


def print_cases(title: str, rows: Sequence[tuple[str, str, str]]) -> None:
    """Cases worth a look: (id, what happened, question)."""
    if rows:
        table = Table(
            "case", "what happened", "question", title=title, box=None, header_style="bold", title_justify="left"
        )
        for row in rows:
            table.add_row(*row)
        _console.print(table)


def _shown(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)
