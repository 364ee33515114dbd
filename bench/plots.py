"""Kept figures of searching as pictures in SVG, for the documentation: `python -m bench.plots`. Measures nothing."""

import json
import math
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import click

from bench.record import RESULTS

DOCS = Path(__file__).parents[1] / "docs" / "images"
WIDTH, LINE, LEFT, RIGHT, TOP = 720, 22, 190, 110, 64
_OURS, _THEIRS = "#1d4e89", "#9aa5b1"
_UNITS = {
    "unfiltered_at_recall_0.95": "queries/s at recall 0.95, one thread",
    "unfiltered_at_recall_0.99": "queries/s at recall 0.99, one thread",
    "filter_10_percent_at_recall_0.95": "queries/s at recall 0.95 where a tenth passes the filter",
    "filter_1_percent_at_recall_0.95": "queries/s at recall 0.95 where a hundredth passes the filter",
    "memory_mib": "MiB of memory of its own while searching",
    "build_seconds": "seconds to take everything in",
    "restart_seconds": "seconds from a restart to the first answer",
}
_GROWTH = {
    "ms_p95": "milliseconds of a search, 95th percentile, one thread",
    "build_seconds": "seconds to build",
    "resident_mib": "MiB in memory after searching, mapped files included",
    "disk_mib": "MiB on disk",
}


def bars(title: str, note: str, values: Sequence[tuple[str, float]], ours: str = "ours") -> str:
    """One bar for each (name, value > 0), the longest first, on a logarithmic scale; the numbers stand behind them."""
    values = sorted(values, key=lambda each: -each[1])
    height = TOP + LINE * len(values) + 12
    lines = _head(title, note, height)
    least = min((value for _, value in values), default=1.0) / 2
    most = max((value for _, value in values), default=1.0)
    for place, (name, value) in enumerate(values):
        share = math.log(value / least) / math.log(most / least)
        y = TOP + LINE * place
        length = max(2.0, share * (WIDTH - LEFT - RIGHT))
        colour = _OURS if name.startswith(ours) else _THEIRS
        lines += [
            f'<text x="{LEFT - 10}" y="{y + 13}" text-anchor="end" fill="#1f2933">{escape(name)}</text>',
            f'<rect x="{LEFT}" y="{y + 2}" width="{length:.1f}" height="14" fill="{colour}"/>',
            f'<text x="{LEFT + length + 8:.1f}" y="{y + 13}" fill="#1f2933">{_short(value)}</text>',
        ]
    return "\n".join([*lines, "</svg>"]) + "\n"


def _head(title: str, note: str, height: int) -> list[str]:
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
        f'role="img" aria-label="{escape(title)}" font-family="sans-serif" font-size="13">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="16" y="24" font-size="16" fill="#1f2933">{escape(title)}</text>',
        f'<text x="16" y="44" fill="#52606d">{escape(note)}</text>',
    ]


def pictures(kept: Mapping[str, Any]) -> dict[str, str]:
    """File name -> SVG, of what `bench/search_peers.py` keeps."""
    found: dict[str, str] = {}
    for size, measured in kept["sizes"].items():
        sides: Mapping[str, Mapping[str, Any]] = measured["sides"]
        for name, unit in _UNITS.items():
            values = [(side, value) for side, figures in sides.items() if (value := _value(figures, name))]
            if len(values) > 1:
                chunks, kind = size.split()
                note = f"{int(chunks):,} made-up vectors of 384 numbers, ours as {kind}; logarithmic"
                found[f"search-{chunks}-{kind}-{name}.svg"] = bars(unit, note, values)
    return found


def growth_pictures(kept: Mapping[str, Any]) -> dict[str, str]:
    """File name -> SVG, of what `bench/growth.py` keeps: a line for each figure, by rows."""
    sizes = sorted((int(size), figures) for size, figures in kept["sizes"].items())
    found: dict[str, str] = {}
    for name, unit in _GROWTH.items():
        values = [(size, float(figures[name])) for size, figures in sizes if name in figures]
        if len(values) > 1:
            found[f"growth-{name}.svg"] = line(unit, "by rows of the dense view; both scales are logarithmic", values)
    return found


def line(title: str, note: str, values: Sequence[tuple[int, float]]) -> str:
    """Points (rows, value > 0) by rows, joined, on logarithmic scales; rows and values stand at the points."""
    height, bottom = 320, 40
    width = WIDTH - LEFT - RIGHT
    across = [math.log(rows) for rows, _ in values]
    up = [math.log(value) for _, value in values]
    places = [
        (
            LEFT / 2 + (a - across[0]) / max(across[-1] - across[0], 1e-9) * (width + LEFT / 2),
            height - bottom - (u - min(up)) / max(max(up) - min(up), 1e-9) * (height - bottom - TOP - 24),
        )
        for a, u in zip(across, up, strict=True)
    ]
    lines = [
        *_head(title, note, height),
        f'<polyline fill="none" stroke="{_OURS}" stroke-width="2" '
        f'points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in places)}"/>',
    ]
    for (rows, value), (x, y) in zip(values, places, strict=True):
        lines += [
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{_OURS}"/>',
            f'<text x="{x:.1f}" y="{y - 10:.1f}" text-anchor="middle" fill="#1f2933">{_short(value)}</text>',
            f'<text x="{x:.1f}" y="{height - 14}" text-anchor="middle" fill="#52606d">{rows:,}</text>',
        ]
    return "\n".join([*lines, "</svg>"]) + "\n"


def _value(figures: Mapping[str, Any], name: str) -> float | None:
    if name in figures:
        return float(figures[name])
    milliseconds = figures.get(f"{name}_ms_p50")
    return 1000 / milliseconds if milliseconds else None


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


@click.command()
@click.option("--results", type=click.Path(path_type=Path), default=RESULTS / "search_peers.json", show_default=True)
@click.option("--growth", type=click.Path(path_type=Path), default=RESULTS / "growth.json", show_default=True)
@click.option("--folder", type=click.Path(path_type=Path), default=DOCS, show_default=True)
def main(results: Path, growth: Path, folder: Path) -> None:
    """Draw the kept comparison of searching, and growth."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = pictures(json.loads(results.read_text(encoding="utf-8")))
    if growth.exists():
        drawn |= growth_pictures(json.loads(growth.read_text(encoding="utf-8")))
    for name, picture in drawn.items():
        (folder / name).write_text(picture, encoding="utf-8")
        click.echo(folder / name)


if __name__ == "__main__":
    main()
