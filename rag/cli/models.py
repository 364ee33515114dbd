"""`footnote models`: the registry of language models, and the measuring that finds the fastest file for this machine.

Changes take effect in a running server within seconds. Knows nothing of how a model is run.
"""

import os
import shutil
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import psutil

from index.catalog import Catalog
from rag.cli.corpus import open_catalog, open_database
from rag.cli.embedding import embed
from rag.cli.show import json_option, messages, print_json, print_table, settings_of
from rag.errors import BadRequest
from rag.llm.registry import ModelDescription, Models
from rag.llm.shelf import LOCAL, ModelEntry
from rag.processors import OPTIMIZE_NICE, shares, step_back
from rag.settings import Settings

if TYPE_CHECKING:
    from rag.llm.optimize import Outcome

_ENOUGH_TEXT = 24_000  # characters to judge perplexity by
_QUIET = 0.5  # load per core below which all threads are measured by the clock


def _models(ctx: click.Context) -> Models:
    registry = Models(settings_of(ctx))
    ctx.call_on_close(registry.close)
    return registry


@click.group("models")
def models() -> None:
    """List, add, optimize, promote, roll back and remove models."""


@models.command("list")
@json_option
@click.pass_context
def list_models(ctx: click.Context, as_json: bool) -> None:
    """List the models by name, and the versions of those that have several."""
    found = _models(ctx).describe()
    if as_json:
        print_json({"items": found})
        return
    print_table(
        ("name", "runs", "context", "kind", "version", "aliases", "what it is"),
        (
            (
                m.name,
                "here" if m.local else "remote",
                m.context,
                m.quantisation,
                m.version,
                ", ".join(m.aliases),
                _what(m),
            )
            for m in found
        ),
        empty="No model is configured.",
    )
    for model in found:
        if len(model.versions) > 1:
            messages.print(f"\nVersions of {model.name}:")
            _print_versions(model)


def _what(model: ModelDescription) -> str:
    return model.problem or f"{model.title}{f' ({model.licence})' if model.licence else ''}"


def _print_versions(model: ModelDescription) -> None:
    print_table(
        ("version", "", "kind", "MB", "seconds/answer", "perplexity", "from", "sha256"),
        (
            (
                v.version,
                "speaks" if v.version == model.version else "",
                v.quantisation,
                round(v.size / 1e6),
                v.measured.get("seconds_per_answer"),
                v.measured.get("perplexity"),
                v.origin,
                v.sha256[:12],
            )
            for v in model.versions
        ),
        empty="",
    )


@models.command("add")
@click.argument("name")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--copy", is_flag=True, help="Copy the file into the data folder; otherwise it is used where it lies.")
@click.option("--sha256", help="What the file's SHA-256 must be.")
@json_option
@click.pass_context
def add(ctx: click.Context, name: str, file: Path, copy: bool, sha256: str | None, as_json: bool) -> None:
    """Register a GGUF file under NAME. A name that is there already gets a new version, which speaks once promoted.

    FILE is a path, or ORGANISATION/REPOSITORY/FILE.gguf of the Hugging Face hub, where it was fetched before: nothing
    is downloaded.
    """
    from rag.llm.gguf import read_header
    from rag.llm.hub import cached_hub_file
    from rag.llm.shelf import sha256_of

    file = cached_hub_file(file)
    read_header(file)
    found = sha256_of(file)
    if sha256 and found != sha256.lower():
        raise BadRequest(f"{file} has the SHA-256 {found}, but {sha256} was wanted; fetch it again")
    shelf = _models(ctx).shelf
    if copy:
        shelf.folder.mkdir(parents=True, exist_ok=True)
        target = shelf.folder / f"{file.stem}-{found[:8]}.gguf"
        shutil.copyfile(file, target)
        file = target
    version = shelf.put(name, file, "added", promote=False)
    entry = shelf.read().entry(name)
    if as_json:
        print_json({"name": name, "speaks": entry.current.version, "added": version})
    else:
        speaks = "it speaks" if entry.current.version == version.version else f"version {entry.current.version} speaks"
        click.echo(f"{name} version {version.version}: {version.quantisation or 'GGUF'}, {speaks}")


@models.command("tune")
@click.argument("name", default=LOCAL)
@click.option(
    "--examples",
    "-e",
    "files",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="JSON lines with question, evidence (or context) and answer (or answers).",
)
@click.option("--accepted", is_flag=True, help="Also learn from answers that somebody liked or corrected.")
@click.option("--epochs", type=click.IntRange(min=1), default=2, show_default=True, help="Times each example is seen.")
@click.option("--steps", type=click.IntRange(min=0), default=0, help="Stop after so many steps. 0: after the epochs.")
@click.option("--rank", type=click.IntRange(min=1), default=8, show_default=True, help="Rank of the adapter.")
@click.option("--rate", type=float, default=2e-4, show_default=True, help="Learning rate.")
@click.option("--held", type=click.FloatRange(0, 0.9), default=0.2, show_default=True, help="Share that is held out.")
@json_option
@click.pass_context
def tune_command(
    ctx: click.Context,
    name: str,
    files: tuple[Path, ...],
    accepted: bool,
    epochs: int,
    steps: int,
    rank: int,
    rate: float,
    held: float,
    as_json: bool,
) -> None:
    """Teach NAME by examples. The adapter becomes a new version, which speaks only if held-out examples go better."""
    from rag.llm.lora import Plan
    from rag.tuning import examples_of, tune

    threads = shares(settings_of(ctx)).model
    database = open_database(ctx) if accepted else None
    plan = Plan(rank=rank, alpha=2 * rank, epochs=epochs, steps=steps, rate=rate, threads=threads)
    found = list(examples_of(files, database))
    tuned = tune(_models(ctx), name, found, plan, held_share=held, threads=threads, say=_dim)
    if as_json:
        print_json({"name": name} | asdict(tuned))
        return
    for what, before, after in (
        ("overlap with the right answers", tuned.before.f1, tuned.after.f1),
        ("loss", tuned.before.loss, tuned.after.loss),
    ):
        click.echo(f"{what}: {before} before, {after} after ({tuned.held} held-out examples)")
    outcome = "speaks now" if tuned.promoted else "is kept but does not speak: it is not better on both"
    click.echo(f"{name} version {tuned.version.version} {outcome}")


def _dim(line: str) -> None:
    messages.print(f"[dim]{line}[/dim]")


@models.command("promote")
@click.argument("name")
@click.argument("version", type=int)
@json_option
@click.pass_context
def promote(ctx: click.Context, name: str, version: int, as_json: bool) -> None:
    """Let VERSION of NAME speak from now on."""
    _print_entry(_models(ctx).shelf.promote(name, version), as_json)


@models.command("rollback")
@click.argument("name")
@json_option
@click.pass_context
def rollback(ctx: click.Context, name: str, as_json: bool) -> None:
    """Let the version of NAME speak again that spoke before."""
    _print_entry(_models(ctx).shelf.roll_back(name), as_json)


def _print_entry(entry: ModelEntry, as_json: bool) -> None:
    if as_json:
        print_json({"name": entry.name, "speaks": entry.current.version, "versions": entry.versions})
    else:
        click.echo(f"{entry.name} speaks from version {entry.current.version} ({entry.current.quantisation}) now")


@models.command("alias")
@click.argument("alias")
@click.argument("name")
@click.pass_context
def alias(ctx: click.Context, alias: str, name: str) -> None:
    """Let ALIAS mean the model NAME."""
    _models(ctx).shelf.alias(alias, name)
    click.echo(f"{alias} means {name}")


@models.command("remove")
@click.argument("name")
@click.option("--version", type=int, help="Only this version; it must not be the one that speaks.")
@click.pass_context
def remove(ctx: click.Context, name: str, version: int | None) -> None:
    """Take a model, one version of it, or an alias away. Files in the data folder are deleted, others stay."""
    deleted = _models(ctx).shelf.remove(name, version)
    click.echo(f"{name} is removed" + (f"; deleted {', '.join(deleted)}" if deleted else ""))


@models.command("optimize")
@click.argument("name", default=LOCAL)
@click.option("--collection", "-c", "collections", multiple=True, help="Judge by its text. Default: all collections.")
@click.option("--text", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Judge by this text.")
@click.option("--kind", "kinds", multiple=True, help="Kinds to try. Default: Q8_0, BF16, F16, Q4_0.")
@click.option("--loss", type=float, help="Share of perplexity that may be lost. Default: model.optimize_loss.")
@click.option("--rounds", type=click.IntRange(min=1), default=3, show_default=True, help="Tries of each speed.")
@click.option("--gently", is_flag=True, help="At the lowest priority, as the server does it.")
@json_option
@click.pass_context
def optimize_command(
    ctx: click.Context,
    name: str,
    collections: tuple[str, ...],
    text: Path | None,
    kinds: tuple[str, ...],
    loss: float | None,
    rounds: int,
    gently: bool,
    as_json: bool,
) -> None:
    """Convert a local model into what is fastest on this processor without getting worse, and let that speak."""
    from rag.llm.optimize import KINDS, Candidate, optimize

    settings = settings_of(ctx)
    if gently:
        step_back(OPTIMIZE_NICE)
    if unknown := sorted(set(kinds) - set(KINDS)):
        raise BadRequest(f"{', '.join(unknown)} cannot be tried; kinds are {', '.join(KINDS)}")
    registry = _models(ctx)
    base = _base_of(registry, name)
    judged_by = text.read_text(encoding="utf-8") if text else _text_of(open_catalog(ctx), collections)

    def say(candidate: Candidate) -> None:
        figures = candidate.measured.figures() if candidate.measured else {}
        messages.print(f"[dim]{candidate.kind}: {figures or candidate.remark}[/dim]")

    outcome = optimize(
        registry.shelf,
        name,
        base,
        judged_by,
        most_loss=settings.model_optimize_loss if loss is None else loss,
        threads=_threads(settings),
        kinds=kinds or KINDS,
        rounds=rounds,
        say=say,
    )
    if as_json:
        print_json({"name": name, "chosen": outcome.chosen, "version": outcome.version, "candidates": _rows(outcome)})
    else:
        _print_outcome(name, outcome)


def _rows(outcome: "Outcome") -> list[dict[str, Any]]:
    return [
        {"kind": c.kind, "size": c.size, "remark": c.remark, "chosen": c.kind == outcome.chosen}
        | (c.measured.figures() if c.measured else {})
        for c in outcome.candidates
    ]


def _print_outcome(name: str, outcome: "Outcome") -> None:
    figures = ("prefill_tokens_per_second", "decode_tokens_per_second", "together_tokens_per_second",
               "seconds_per_answer", "perplexity")  # fmt: skip
    print_table(
        ("", "kind", "MB", "prefill", "decode", "four together", "seconds/answer", "perplexity", ""),
        (
            ("*" if r["chosen"] else "", r["kind"], round(r["size"] / 1e6), *(r.get(f) for f in figures), r["remark"])
            for r in _rows(outcome)
        ),
        empty="",
    )
    click.echo(f"{name} speaks from version {outcome.version.version} ({outcome.chosen}) now")


def _is_plain(entry: ModelEntry | None) -> bool:
    """Whether `local` is the file that is set, or made of it."""
    return entry is None or entry.source.origin == "shipped"


def _base_of(registry: Models, name: str) -> Path:
    """The file that conversions of a model begin with."""
    entry = registry.contents().models.get(name)
    if name == LOCAL and _is_plain(entry):
        return registry.base()
    return registry.shelf.path(registry.contents().entry(name).source)


def _threads(settings: Settings) -> int:
    """All threads by the clock where the machine is quiet; else one thread by the time it had a processor."""
    quiet = os.getloadavg()[0] < _QUIET * (psutil.cpu_count() or 1)
    return shares(settings).model if quiet else 1


def _text_of(catalog: Catalog, names: tuple[str, ...]) -> str:
    """Text of documents, some of each collection; Footnote's own description where there are none."""
    chosen = [catalog.collection(name) for name in names] or list(catalog.collections())
    parts: list[str] = []
    share = _ENOUGH_TEXT // max(1, len(chosen))
    for info in chosen:
        left = share
        for document in catalog.documents(info.id, limit=50).items:
            piece = catalog.document_text(document.id, 0, min(left, 4_000))
            parts.append(piece)
            left -= len(piece)
            if left <= 0:
                break
    found = "\n\n".join(parts)
    return found if len(found) > 4_000 else f"{found}\n\n{_description()}"


def _description() -> str:
    said = metadata.distribution("footnote").read_text("METADATA") or ""
    return said.partition("\n\n")[2]


models.add_command(embed)

COMMANDS = (models,)
