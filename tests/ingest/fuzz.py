"""Mutated files for every parser: `python -m tests.ingest.fuzz --minutes 10 [--each] [--only pdf] [--keep FOLDER]`.

Seeds are files made by script. Whatever a mutation is, parsing must end in bounded time with text or one typed reason,
never by the death of the child or an error that the parser did not foresee. What breaks that is a finding: its recipe
(format, seed, round) makes it again, and `REGRESSIONS` keeps those that were found.
"""

import argparse
import io
import random
import re
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bench.record import RESULTS, kept, record
from ingest.errors import BrokenDocument, ParserLimit, UnreadableDocument
from ingest.parse.limits import ParseLimits
from ingest.parse.sandbox import Sandbox
from tests.ingest import made_files as made

FIGURES = RESULTS / "fuzz.json"
MOST_OF_ONE = 5.0  # seconds
LIMITS = ParseLimits(seconds=30, memory_bytes=1024**3, ocr="off")
_SURPRISES = ("the parser gave up on the file", "the parser crashed", "the parser ended", "gave an answer")
_TOKENS = (b"\x00", b"\xff" * 8, b"-1", b"99999999999", b"<", b"]]>", b"&#x0;", b"%n", b"(", b"\x00\x00\x00\x80", b"{{")
_MOMENT = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_BORDER = re.compile(rb"={15}\d+==")
_WORDS = b"Words of a line, with *marks*, `code` and a | bar.\n"

SEEDS: Mapping[str, Callable[[], bytes]] = {
    "a.pdf": lambda: made.pdf(("A page of plain words.", "plan | days", "one | 14")),
    "a.docx": made.word,
    "a.pptx": made.slides,
    "a.xlsx": made.workbook,
    "a.odt": made.odt,
    "a.epub": made.epub,
    "a.eml": made.mail,
    "a.mbox": lambda: (
        b"From a@b Thu Jan  1 00:00:00 2026\n" + made.mail() + b"\nFrom c@d Thu Jan  1 00:00:00 2026\n" + made.mail()
    ),
    "a.rtf": lambda: rb"{\rtf1\ansi{\fonttbl{\f0 A;}}\f0 Words\par {\b bold} \u228? and \'e4 more\par}",
    "a.html": lambda: (
        b"<html><head><title>T</title></head><body><h1>A</h1><p>b<ul><li>c</ul>"
        b"<table><tr><th>d<td>e</table><pre>f</pre><div style='display:none'>g</div></body></html>"
    ),
    "a.md": lambda: b"---\ntitle: T\n---\n# A\n\n" + _WORDS + b"\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```\ncode\n```\n",
    "a.rst": lambda: b"A\n=\n\n.. note:: b\n\n   c\n\n:ref:`d <e>`\n\n+---+---+\n| f | g |\n+---+---+\n\n::\n\n   h\n",
    "a.adoc": lambda: b"= A\n:author: B\n\n== C\n\n|===\n|d |e\n|===\n\n----\nf\n----\n",
    "a.txt": lambda: _WORDS * 4 + b"\n" + "Größe — 日本".encode() + b"\n- a\n- b\n",
    "a.csv": lambda: b'name,days\n"plan, one",14\nplan two,"30\nor so"\n',
    "a.json": lambda: b'{"title": "T", "rows": [{"a": 1, "b": [1, 2, {"c": null}]}, {"a": "x"}]}',
    "a.jsonl": lambda: b'{"a": 1}\n{"b": [1, 2]}\n"c"\n',
}

# What this program found, mended since. A recipe does as well: lambda: mutation("a.pdf", 7, 12).
REGRESSIONS: Mapping[str, Callable[[], bytes]] = {
    # Bytes of the file stood in the message, line ends and the terminal's commands included.
    "declared.epub": lambda: made.zipped({"mimetype": b"x\n\x1b[2J\xff\n" + b"y" * 300}),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """A mutation that ended as none should, and its recipe."""

    name: str
    seed: int
    number: int
    what: str
    data: bytes


def mutation(name: str, seed: int, number: int) -> bytes:
    """Always the same bytes for the same recipe."""
    chance = random.Random(f"{name} {seed} {number}")
    data = _seed(name)
    if data[:2] == b"PK" and chance.random() < 0.8:
        return _inside(data, chance)
    return _changed(data, chance)


def _inside(data: bytes, chance: random.Random) -> bytes:
    """A container whose parts are changed, so that the parser beyond the archive is reached."""
    with zipfile.ZipFile(io.BytesIO(data)) as source:
        entries = {name: source.read(name) for name in source.namelist()}
    for name in chance.sample(sorted(entries), k=min(len(entries), chance.randint(1, 2))):
        if chance.random() < 0.1:
            del entries[name]
        else:
            entries[name] = _changed(entries[name], chance)
    return _zipped(entries)


@cache
def _seed(name: str) -> bytes:
    """The seed without what differs from one making to the next: times and the borders of mails."""
    data = SEEDS[name]()
    if data[:2] != b"PK":
        return _BORDER.sub(b"=" * 15 + b"1==", data)
    with zipfile.ZipFile(io.BytesIO(data)) as source:
        return _zipped({part: _MOMENT.sub(b"2026-01-01T00:00:00Z", source.read(part)) for part in source.namelist()})


def _zipped(entries: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), content)
    return buffer.getvalue()


def _changed(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        at = chance.randrange(len(changed) + 1)
        match chance.randrange(8):
            case 0 if changed:
                changed[at % len(changed)] ^= 1 << chance.randrange(8)
            case 1 if changed:
                changed[at % len(changed)] = chance.randrange(256)
            case 2:
                del changed[at : at + chance.choice((1, 4, 64, 1024))]
            case 3:
                changed[at:at] = chance.choice(_TOKENS)
            case 4:
                piece = changed[at : at + chance.choice((4, 40, 400))]
                changed[at:at] = piece * chance.choice((1, 2, 50))
            case 5:
                del changed[at:]
            case 6:
                other = chance.randrange(len(changed) + 1)
                changed[at:at] = changed[other : other + 64]
            case _:
                changed[at:at] = chance.randbytes(chance.choice((1, 8, 100)))
    return bytes(changed)


def surprise(sandbox: Sandbox, folder: Path, name: str, data: bytes) -> str:
    """Parse these bytes; what went wrong, or nothing if it ended as it should."""
    path = folder / "upload"
    path.write_bytes(data)
    try:
        document = sandbox.parse(path, name, LIMITS)
        return "" if document.text.strip() else "a document without text"
    except ParserLimit as error:
        # A small file that needs all the time or memory there is, is a finding; a limit on depth or ratio is none.
        return str(error) if "longer than" in str(error) or "of memory" in str(error) else ""
    except BrokenDocument as error:
        return str(error) if str(error).startswith(_SURPRISES) else ""
    except UnreadableDocument as error:
        return "" if str(error).isprintable() and str(error) else f"{type(error).__name__} is not one readable line"
    except Exception as error:  # noqa: BLE001  # whatever it is, it is what this looks for
        return f"{type(error).__name__}: {error}"


def lasting_surprise(sandbox: Sandbox, folder: Path, name: str, data: bytes) -> str:
    """As `surprise`; what was only slow is tried again, since a busy machine is no fault of the file."""
    what = surprise(sandbox, folder, name, data)
    return surprise(sandbox, folder, name, data) if "longer than" in what else what


def fuzz(names: list[str], seed: int, seconds: float, rounds: int = 1 << 30) -> Iterator[tuple[int, Finding | None]]:
    """Rounds over all names until the time or the rounds are used up; gives (round, finding) of each try.

    A file counts at most `MOST_OF_ONE` of the time: while this program was stopped, nothing was tried.
    """
    spent = 0.0
    with Sandbox() as sandbox, tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        for number in range(rounds):
            for name in names:
                if spent > seconds:
                    return
                began = time.monotonic()
                data = mutation(name, seed, number)
                what = lasting_surprise(sandbox, Path(folder), name, data)
                spent += min(time.monotonic() - began, MOST_OF_ONE)
                yield number, Finding(name, seed, number, what, data) if what else None


def _told(names: list[str], seed: int, seconds: float, keep: Path | None) -> tuple[int, int]:
    """Fuzz these names and print each kind of finding once; the number of files tried and of kinds found."""
    found: set[tuple[str, str]] = set()
    tries = 0
    for _, finding in fuzz(names, seed, seconds):
        tries += 1
        if finding is not None and (finding.name, finding.what[:60]) not in found:
            found.add((finding.name, finding.what[:60]))
            sys.stdout.write(f"({finding.name!r}, {finding.seed}, {finding.number}),  # {finding.what}\n")
            sys.stdout.flush()
            if keep:
                keep.mkdir(parents=True, exist_ok=True)
                (keep / f"{finding.seed}-{finding.number}-{finding.name}").write_bytes(finding.data)
    return tries, len(found)


def main() -> None:
    """What the module's docstring shows."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=10.0, help="in all, shared by the parsers")
    parser.add_argument("--each", action="store_true", help="so many minutes for each parser, and keep the figures")
    parser.add_argument("--only", action="append", default=[], help="an ending, as pdf; more than once")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--keep", type=Path, help="folder for what was found")
    options = parser.parse_args()
    names = [name for name in SEEDS if not options.only or name.partition(".")[2] in options.only]
    turns = [[name] for name in names] if options.each else [names]
    tries = kinds = 0
    for turn in turns:
        tried, found = _told(turn, options.seed, options.minutes * 60, options.keep)
        if options.each:
            _keep_figures(turn[0].partition(".")[2], options.minutes, tried, found, options.seed)
        tries, kinds = tries + tried, kinds + found
    sys.stderr.write(f"{tries} files, {kinds} kinds of findings, seed {options.seed}\n")
    sys.exit(1 if kinds else 0)


def _keep_figures(kind: str, minutes: float, tried: int, found: int, seed: int) -> None:
    """One more parser in the file of results, beside those that were fuzzed before."""
    figures = kept(FIGURES)[1] | {kind: {"minutes": minutes, "files": tried, "kinds_of_findings": found, "seed": seed}}
    record({}, figures, (), FIGURES)


if __name__ == "__main__":
    main()
