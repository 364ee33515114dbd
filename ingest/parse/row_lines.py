"""Rows of cells become lines that say their headers: "plan: Pro; days: 30". Pure; knows no file format."""

from collections.abc import Sequence


def is_header(row: Sequence[str]) -> bool:
    """Whether a first row names columns: its cells are filled in, differ, are short and are no numbers."""
    cells = [cell.strip() for cell in row]
    return (
        bool(cells)
        and all(cells)
        and len(set(cells)) == len(cells)
        and all(len(cell) <= 80 and not _is_number(cell) for cell in cells)
    )


def row_line(row: Sequence[str], names: Sequence[str], *, named: bool) -> str:
    """One line of a row; empty cells are left out, and names where `named` is not set."""
    values = [" ".join(cell.split()) for cell in row]
    if not named or not names:
        return "; ".join(value for value in values if value)
    parts = []
    for position, value in enumerate(values):
        if value:
            parts.append(f"{names[position]}: {value}" if position < len(names) else value)
    return "; ".join(parts)


def _is_number(cell: str) -> bool:
    try:
        float(cell.replace(",", "."))
    except ValueError:
        return False
    return True
