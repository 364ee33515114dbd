"""What a measurement was made on, and where its figures are kept. Knows no measurement."""

import json
import os
import platform
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "results"
_TELLING_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8")


def machine() -> dict[str, Any]:
    """Processor, usable cores, memory in GiB, and how busy the machine is: a loaded one makes poor figures."""
    processor, flags = _cpuinfo()
    return {
        "processor": processor or platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "features": [flag for flag in _TELLING_FLAGS if flag in flags],
        "system": f"{platform.system()} {platform.release()}",
        "load_average_1min": round(os.getloadavg()[0], 2),
    }


def versions(*packages: str) -> dict[str, str]:
    """Versions of Python, of Footnote and of the given distributions."""
    return {"python": platform.python_version()} | {name: metadata.version(name) for name in ("footnote", *packages)}


def record(
    ratios: Mapping[str, float],
    figures: Mapping[str, Any],
    packages: tuple[str, ...],
    output: Path,
    wanted: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """Keep a measurement as JSON under `output` and return it. Ratios: larger is better for us.

    `wanted`: what some of the ratios are to be at least.
    """
    result: dict[str, Any] = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "ratios": {name: round(value, 3) for name, value in ratios.items()},
        "figures": {name: round(v, 6) if isinstance(v, float) else v for name, v in figures.items()},
        "machine": machine(),
        "versions": versions(*packages),
    }
    if wanted:
        result["wanted"] = {name: round(least, 3) for name, least in wanted.items() if name in ratios}
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return result


def kept(output: Path) -> tuple[dict[str, float], dict[str, Any]]:
    """Ratios and figures that were kept before, for measurements that are made one part at a time."""
    if not output.exists():
        return {}, {}
    before = json.loads(output.read_text(encoding="utf-8"))
    return before["ratios"], before["figures"]


def show(result: Mapping[str, Any], *, as_json: bool) -> None:
    """A kept measurement on standard output: a table with what was wanted, or one JSON document."""
    if as_json:
        sys.stdout.write(json.dumps(result, indent=2) + "\n")
        return
    table = Table("figure", "value", "wanted", box=None, header_style="bold")
    wanted = result.get("wanted", {})
    for name, value in (result["ratios"] | result["figures"]).items():
        table.add_row(name, str(value), f">= {wanted[name]}" if name in wanted else "")
    Console(highlight=False).print(table)


def _cpuinfo() -> tuple[str, frozenset[str]]:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # only Linux has it
        return "", frozenset()
    values = dict(reversed([(line.partition(":")[0].strip(), line.partition(":")[2].strip()) for line in lines]))
    return values.get("model name", ""), frozenset(values.get("flags", "").split())
