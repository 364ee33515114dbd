"""`footnote settings` and `doctor`: what is set, what is there, what is missing. Changes nothing."""

import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, fields
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import click
import psutil
from sqlalchemy import inspect
from sqlalchemy.exc import SQLAlchemyError

from index.database import Database
from index.errors import FootnoteError
from index.generations import Generations
from rag.cli.show import json_option, print_json, print_table, settings_of
from rag.llm.registry import Models
from rag.processors import shares
from rag.settings import Settings, is_secret, setting_name
from rag.settings_page import settings_page

_ENOUGH_MEMORY = 4 * 1024**3
_USEFUL = ("avx2", "avx512f", "avx512_bf16", "avx512_vnni", "avx_vnni", "amx_bf16")
_ENOUGH_DISK = 2 * 1024**3


@click.command("settings")
@click.option("--markdown", is_flag=True, help="Print the page docs/settings.md.")
@json_option
@click.pass_context
def settings_command(ctx: click.Context, markdown: bool, as_json: bool) -> None:
    """Show every setting with its value and where the value came from."""
    if markdown:
        click.echo(settings_page(), nl=False)
        return
    settings, origin = ctx.obj
    rows = [
        (setting_name(f.name), _shown(settings, f.name), origin[f.name], f.metadata["help"]) for f in fields(settings)
    ]
    if as_json:
        print_json([dict(zip(("name", "value", "origin", "help"), row, strict=True)) for row in rows])
    else:
        print_table(("setting", "value", "from", "meaning"), rows, empty="")


def _shown(settings: Settings, attribute: str) -> str:
    value = getattr(settings, attribute)
    if is_secret(attribute):
        return "(set)" if value else "(not set)"
    return ", ".join(value) if isinstance(value, tuple) else str(value)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `mend` says what to do unless `state` is "ok"."""

    what: str
    state: Literal["ok", "warning", "missing"]
    detail: str
    mend: str = ""


@click.command("doctor")
@json_option
@click.pass_context
def doctor(ctx: click.Context, as_json: bool) -> None:
    """Say what is installed and what is missing, with the mend. The exit code is 1 if something is missing."""
    findings = list(_look(settings_of(ctx)))
    if as_json:
        print_json({"findings": findings})
    else:
        print_table(
            ("", "what", "found", "to mend"),
            ((f.state, f.what, f.detail, f.mend) for f in findings),
            empty="",
        )
    if any(f.state == "missing" for f in findings):
        ctx.exit(1)


def _look(settings: Settings) -> Iterator[Finding]:
    yield _python()
    yield _processor()
    yield _memory()
    yield _disk(settings.data)
    yield from _packages()
    yield _build()
    yield _model_file(settings)
    yield from _embedding_models(settings)
    yield from _shares(settings)


def _python() -> Finding:
    state: Literal["ok", "missing"] = "ok" if sys.version_info >= (3, 11) else "missing"
    return Finding("Python", state, platform.python_version(), "" if state == "ok" else "install Python 3.11 or later")


def _processor() -> Finding:
    flags = _processor_flags()
    useful = [name for name in _USEFUL if name in flags]
    detail = f"{psutil.cpu_count(logical=False)} cores; {', '.join(useful) or 'features unknown'}"
    if flags and "avx2" not in flags:
        return Finding("processor", "warning", detail, "answers and ingestion will be slow without AVX2")
    return Finding("processor", "ok", detail)


def _processor_flags() -> set[str]:
    path = Path("/proc/cpuinfo")
    if not path.exists():
        return set()
    line = next((row for row in path.read_text().splitlines() if row.startswith("flags")), "")
    return set(line.partition(":")[2].split())


def _memory() -> Finding:
    free = psutil.virtual_memory().available
    detail = f"{free / 1024**3:.1f} GiB free"
    if free < _ENOUGH_MEMORY:
        return Finding("memory", "warning", detail, "4 GiB are comfortable; close other programs")
    return Finding("memory", "ok", detail)


def _shares(settings: Settings) -> Iterator[Finding]:
    for share in shares(settings).listing():
        back = f", steps back by {share.nice}" if share.nice else ""
        threads = "1 thread" if share.threads == 1 else f"{share.threads} threads"
        yield Finding(share.work, "ok", f"{threads}{back}: {share.why}")


def _disk(folder: Path) -> Finding:
    existing = next(parent for parent in (folder.resolve(), *folder.resolve().parents) if parent.exists())
    free = shutil.disk_usage(existing).free
    detail = f"{free / 1024**3:.1f} GiB free at {existing}"
    if free < _ENOUGH_DISK:
        return Finding("disk", "warning", detail, "2 GiB are wanted; choose another folder with --data")
    return Finding("disk", "ok", detail)


def _packages() -> Iterator[Finding]:
    for name in ("faiss-cpu", "tantivy", "openvino", "torch", "sentence-transformers", "llama-cpp-python", "dbos"):
        try:
            yield Finding(name, "ok", metadata.version(name))
        except metadata.PackageNotFoundError:
            yield Finding(name, "missing", "not installed", "run: make setup")


def _build() -> Finding:
    if find_spec("llama_cpp") is None:
        return Finding("llama.cpp build", "missing", "not installed", "run: make setup")
    from rag.llm.llama import build_features, extra_layouts  # loads a 20 MB library, which only this line needs

    info = build_features() if extra_layouts() else build_features().replace("AMX_INT8 = 1", "")
    wanted = {"avx2": "AVX2", "avx512f": "AVX512", "amx_int8": "AMX_INT8"}
    lacking = [shown for flag, shown in wanted.items() if flag in _processor_flags() and f"{shown} = 1" not in info]
    if lacking:
        mend = "rebuild it here: make clean, pip cache remove llama_cpp_python, make setup"
        return Finding("llama.cpp build", "warning", f"built without {', '.join(lacking)}", mend)
    return Finding("llama.cpp build", "ok", "uses this processor's features")


def _model_file(settings: Settings) -> Finding:
    registry = Models(settings)
    try:
        described = next(model for model in registry.describe() if model.name == "local")
    finally:
        registry.close()
    if described.problem:
        return Finding("local model", "missing", described.problem, "set model.path to a GGUF file, or run: make setup")
    return Finding("local model", "ok", described.file)


def _embedding_models(settings: Settings) -> Iterator[Finding]:
    """Nothing is looked at where nothing was kept yet: looking would make the database."""
    database = Database(settings.resolved_database_url)
    try:
        if database.path is not None and not database.path.exists():
            return
        found = Generations(database).listing() if inspect(database.engine).has_table("generations") else ()
    except (FootnoteError, SQLAlchemyError) as error:
        yield Finding("embedding model", "warning", str(error).splitlines()[0], "mend the database, then look again")
        return
    finally:
        database.close()
    for each in found:
        detail = f"{each.model} ({each.stamp}): {each.state}, {each.vectors} of {each.chunks} passages"
        if each.state == "serving":
            yield Finding("embedding model", "ok", detail)
        else:
            mend = {
                "building": f"finish it: footnote models embed {each.model}",
                "old": "make room when nobody will go back: footnote models embed --drop-old",
            }.get(each.state, "finish it: footnote models embed --drop-old")
            yield Finding("embedding model", "ok" if each.state == "old" else "warning", detail, mend)


COMMANDS = (settings_command, doctor)
