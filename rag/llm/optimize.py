"""Finds the kind of numbers in which a model is fastest on this machine without getting worse, and keeps that file.

Every candidate is written, measured and, unless it is the best so far, deleted at once. Knows no settings, no documents
and no command; the text to judge by is given.
"""

import hashlib
import logging
import platform
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from ingest.files import temporary_name
from rag.errors import ModelUnavailable
from rag.llm.gguf import read_header
from rag.llm.llama import build_features, quantize
from rag.llm.measure import Measured, measure
from rag.llm.shelf import ModelVersion, Shelf, quantisation_of, sha256_of

logger = logging.getLogger(__name__)

KINDS = ("Q8_0", "BF16", "F16", "Q4_0")
# Bits of one weight, blocks' scales included; to foretell a file's size before it is written.
_BITS = {"F32": 32.0, "F16": 16.0, "BF16": 16.0, "Q8_0": 8.5, "Q6_K": 6.6, "Q5_1": 6.0, "Q5_0": 5.5, "Q4_1": 5.0,
         "Q4_0": 4.5, "Q5_K_M": 5.7, "Q5_K_S": 5.5, "Q4_K_M": 4.8, "Q4_K_S": 4.6, "IQ4_NL": 4.5}  # fmt: skip
_USUAL_BITS = 4.8
_WORTH = 0.97  # a candidate must take less than this share of the shipped file's time, else nothing changes


@dataclass(frozen=True, slots=True)
class Candidate:
    """One kind of a model. `size` in bytes; without `measured`, `remark` says why it was left out."""

    kind: str
    size: int
    measured: Measured | None
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was compared, the shipped file first, and the version that speaks from now on."""

    candidates: tuple[Candidate, ...]
    chosen: str
    version: ModelVersion


def choose(candidates: Sequence[Candidate], most_loss: float) -> Candidate:
    """The quickest whose perplexity is at most `most_loss` (a share) above that of the first, the file as shipped."""
    shipped = candidates[0]
    assert shipped.measured is not None
    limit = shipped.measured.perplexity * (1.0 + most_loss)
    fit = [c for c in candidates if c.measured is not None and c.measured.perplexity <= limit]
    best = min(fit, key=_seconds)
    return best if _seconds(best) < _WORTH * _seconds(shipped) else shipped


def optimize(
    shelf: Shelf,
    name: str,
    base: Path,
    text: str,
    *,
    most_loss: float,
    threads: int,
    kinds: Sequence[str] = KINDS,
    rounds: int = 3,
    say: Callable[[Candidate], None] = lambda _candidate: None,
) -> Outcome:
    """Compare the kinds of `base`, register the quickest as a version of `name` and promote it.

    `text` is what perplexity is measured on. Raises ModelUnavailable, or BadRequest if the text is too short.
    """
    header = read_header(base)
    own = quantisation_of(header.metadata) or "as shipped"
    shipped = Candidate(own, header.size, measure(base, text, threads=threads, rounds=rounds))
    say(shipped)
    found, kept = [shipped], None
    shelf.folder.mkdir(parents=True, exist_ok=True)
    try:
        for kind in (kind for kind in kinds if kind != own):
            draft = temporary_name(shelf.folder)
            try:
                found.append(_candidate(base, own, kind, draft, text, threads, rounds))
                say(found[-1])
                if choose(found, most_loss) is found[-1]:
                    if kept is not None:
                        kept.unlink()
                    kept, draft = draft, temporary_name(shelf.folder)
            finally:
                draft.unlink(missing_ok=True)
        return _kept(shelf, name, base, found, most_loss, kept)
    finally:
        if kept is not None:
            kept.unlink(missing_ok=True)


def this_machine() -> str:
    """A short stamp of what speeds depend on: the processor, the build of llama.cpp, the number of cores."""
    said = f"{_processor()} {platform.machine()} {psutil.cpu_count()} {build_features()}"
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def _candidate(base: Path, own: str, kind: str, draft: Path, text: str, threads: int, rounds: int) -> Candidate:
    expected = int(base.stat().st_size * _BITS.get(kind, _USUAL_BITS) / _BITS.get(own, _USUAL_BITS))
    if remark := _no_room(expected, draft.parent):
        return Candidate(kind, expected, None, remark)
    try:
        quantize(base, draft, kind, threads)
        return Candidate(kind, draft.stat().st_size, measure(draft, text, threads=threads, rounds=rounds))
    except ModelUnavailable as error:
        logger.warning("%s", error)
        return Candidate(kind, expected, None, str(error))


def _no_room(size: int, folder: Path) -> str:
    """Why a file of this size is not tried; empty if it can be."""
    if size * 2 > (free := shutil.disk_usage(folder).free):
        return f"it would take {size / 1e9:.1f} GB of {free / 1e9:.1f} GB of disk"
    # llama.cpp holds some tensors twice while it converts.
    if size * 1.5 > (free := psutil.virtual_memory().available):
        return f"it would take {size / 1e9:.1f} GB of {free / 1e9:.1f} GB of memory"
    return ""


def _kept(
    shelf: Shelf, name: str, base: Path, found: Sequence[Candidate], most_loss: float, kept: Path | None
) -> Outcome:
    best, machine = choose(found, most_loss), this_machine()
    shipped = found[0].measured
    assert shipped is not None
    assert best.measured is not None
    # What was taught to this model stays with it: an adapter fits every kind of the same weights.
    entry = shelf.read().models.get(name)
    adapter = shelf.adapter(entry.current) if entry and entry.current.origin in ("tuned", "optimized") else None
    promote = best is found[0] and adapter is None
    version = shelf.put(name, base, "shipped", promote=promote, measured=shipped.figures(), machine=machine)
    if best is not found[0]:
        assert kept is not None
        file = shelf.folder / f"{name}-{best.kind.lower()}-{sha256_of(kept)[:8]}.gguf"
        kept.replace(file)
        told = {"measured": best.measured.figures(), "machine": machine, "base": version.sha256}
        version = shelf.put(name, file, "optimized", promote=True, adapter=adapter, **told)
    shelf.mark_optimized(name, machine)
    return Outcome(tuple(found), best.kind, version)


def _seconds(candidate: Candidate) -> float:
    assert candidate.measured is not None
    return candidate.measured.speed.seconds()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # only Linux has it
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
