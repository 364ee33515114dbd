"""Finds tables among the lines of a page: cells that stand side by side, row after row. Pure; knows no PDF.

A PDF has no tables either. What tells one is that a line stands no lower than the one before it in reading order, but
further right. Cells of one row may have several lines each.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from statistics import median

from ingest.parse.pdf_lines import Line

_LEAST_ROWS = 2
_LONGEST_CELL = 60  # characters, in the median: longer ones are columns of running text
_WRAPPED_LINES = 6  # of the row's lines that a cell may rise again
_LINE_FALL = 1.4  # of the size: further down no cell goes on
_NO_COLUMN = 0.5  # of the size: cells that begin closer to each other stand in one column


@dataclass(frozen=True, slots=True)
class Table:
    """Lines [start, stop) of the page are these rows, top to bottom."""

    start: int
    stop: int
    rows: tuple[tuple[str, ...], ...]

    @property
    def has_header(self) -> bool:
        """Whether the first row names columns: it is as wide as the next, and no cell of it is a number."""
        first, second = self.rows[0], self.rows[1]
        return len(first) == len(second) and not any(cell[:1].isdigit() for cell in first)


@dataclass(slots=True)
class _Row:
    """Cells as lists of line numbers, left to right."""

    cells: list[list[int]]

    def lines(self) -> range:
        numbers = [number for cell in self.cells for number in cell]
        return range(min(numbers), max(numbers) + 1)


def tables_of(lines: Sequence[Line]) -> list[Table]:
    """The tables of a page in order; they do not overlap."""
    heights = list(accumulate(-line.gap for line in lines))  # of the baselines, from the first line's up
    found: list[Table] = []
    run: list[_Row] = []
    for row in [*_rows(lines, heights), None]:
        if row is not None and len(row.cells) > 1 and (not run or run[-1].lines().stop == row.lines().start):
            run.append(row)
            continue
        found += _table(lines, run)
        run = [row] if row is not None and len(row.cells) > 1 else []
    return found


def _rows(lines: Sequence[Line], heights: Sequence[float]) -> list[_Row]:
    rows: list[_Row] = []
    for number, line in enumerate(lines):
        if not rows:
            rows.append(_Row([[number]]))
            continue
        row, above = rows[-1], lines[number - 1]
        rise = heights[number] - heights[number - 1]
        right = line.left - above.left
        beside = -0.3 * line.size <= rise <= _WRAPPED_LINES * line.size and right > _NO_COLUMN * line.size
        wrapped = len(row.cells) > 1 and abs(right) < _NO_COLUMN * line.size and -_LINE_FALL * line.size < rise < 0
        if beside and len(row.cells) == 1:
            _begin_row(rows, number, lines, heights)
        elif beside:
            row.cells.append([number])
        elif wrapped and not _first_column(lines, row, line):
            row.cells[-1].append(number)
        else:
            rows.append(_Row([[number]]))
    return rows


def _first_column(lines: Sequence[Line], row: _Row, line: Line) -> bool:
    return abs(line.left - lines[row.cells[0][0]].left) < _NO_COLUMN * line.size


def _begin_row(rows: list[_Row], number: int, lines: Sequence[Line], heights: Sequence[float]) -> None:
    """The line stands beside the one before it, the last of a first cell; earlier lines of that cell are found here."""
    first = [rows.pop().cells[0][0]]
    size = lines[number].size
    taken = 0
    for place in range(len(rows) - 1, -1, -1):
        row = rows[place]
        if len(row.cells) > 1:
            if _first_column(lines, row, lines[first[0]]):
                taken = len(rows) - 1 - place  # a row lies above: all lines between belong to this one
            break
        above = row.cells[0][0]
        fall = heights[above] - heights[above + 1]
        if abs(lines[above].left - lines[first[0]].left) > _NO_COLUMN * size or not 0 < fall < _LINE_FALL * size:
            break
        if heights[above] <= heights[number] + 0.3 * size:
            taken = len(rows) - place  # no higher than the line beside it
    for _ in range(taken):
        first.insert(0, rows.pop().cells[0][0])
    rows.append(_Row([first, [number]]))


def _table(lines: Sequence[Line], run: Sequence[_Row]) -> list[Table]:
    if len(run) < _LEAST_ROWS:
        return []
    rows = tuple(tuple(" ".join(lines[n].text for n in cell) for cell in row.cells) for row in run)
    first, second = (lines[row.cells[0][0]] for row in run[:2])
    if len(rows[0]) == len(rows[1]) - 1 and first.left > second.left + _NO_COLUMN * first.size:
        rows = (("", *rows[0]), *rows[1:])  # nothing stands above the first column
    widths = [len(row) for row in rows]
    steady = sum(a == b for a, b in pairwise(widths)) >= (len(rows) - 1) / 2
    if not steady or median(len(cell) for row in rows for cell in row) > _LONGEST_CELL:
        return []
    return [Table(run[0].lines().start, run[-1].lines().stop, rows)]
