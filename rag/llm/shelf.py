"""Which model files there are: names, versions, aliases, and which version speaks. Knows no llama.cpp, loads nothing.

One JSON file in the data folder, replaced whole under a lock, so that a server and commands can use it at once.
A name has versions; the newest promotion counts, and rolling back returns to the one before.
"""

import fcntl
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ingest.files import Files, temporary_name
from rag.errors import BadRequest, ModelUnavailable, NoSuchModel
from rag.llm.gguf import read_header

LOCAL = "local"
_FILE, _LOCK = "registry.json", "registry.lock"
_MADE_HERE = ("optimized", "tuned")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
# general.file_type of GGUF -> how llama.cpp calls it
_KINDS = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K", 11: "Q3_K_S", 12: "Q3_K_M",
    13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S", 17: "Q5_K_M", 18: "Q6_K", 25: "IQ4_NL", 30: "IQ4_XS",
    32: "BF16",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One file of a model. `file` is absolute, or relative to the folder of the shelf; `size` in bytes.

    `measured` holds what was measured on `machine`: tokens per second, perplexity. `base` is the sha256 of the file
    that an optimized one was made of. `adapter`: a LoRA file that belongs on top, written as `file` is; empty: none.
    """

    version: int
    file: str
    sha256: str
    size: int
    licence: str
    quantisation: str
    context: int
    origin: str  # "shipped", "added", "optimized", "tuned"
    created_at: str
    measured: Mapping[str, float] = field(default_factory=dict)
    machine: str = ""
    base: str = ""
    adapter: str = ""


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """All versions of one name. `promoted`: version numbers as they were promoted, the current one last."""

    name: str
    versions: tuple[ModelVersion, ...]
    promoted: tuple[int, ...]
    optimized_for: str = ""  # the machine on which all kinds were compared

    @property
    def current(self) -> ModelVersion:
        return self.version(self.promoted[-1])

    @property
    def source(self) -> ModelVersion:
        """The newest version that was not made here of another one."""
        return next(version for version in reversed(self.versions) if version.origin not in _MADE_HERE)

    def version(self, number: int) -> ModelVersion:
        """Raises NoSuchModel."""
        found = next((version for version in self.versions if version.version == number), None)
        if found is None:
            there = ", ".join(str(version.version) for version in self.versions)
            raise NoSuchModel(f"model {self.name} has no version {number}; there are: {there}")
        return found


@dataclass(frozen=True, slots=True)
class ShelfContents:
    """What the file says at one moment."""

    models: Mapping[str, ModelEntry] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)

    def entry(self, name: str) -> ModelEntry:
        """Raises NoSuchModel."""
        entry = self.models.get(name)
        if entry is None:
            raise NoSuchModel(f"no model {name!r} is on the shelf; `footnote models list` shows those there are")
        return entry


class Shelf:
    """The registry's file in `folder`. Safe for several processes and threads; nothing is made until it is written."""

    def __init__(self, folder: Path, files: Files | None = None) -> None:
        self.folder = folder
        self._files = files or Files()

    @property
    def stamp(self) -> tuple[int, int]:
        """Changes whenever the contents do."""
        try:
            status = (self.folder / _FILE).stat()
        except FileNotFoundError:
            return 0, 0
        return status.st_ino, status.st_mtime_ns

    def read(self) -> ShelfContents:
        """Raises ModelUnavailable if the file is damaged."""
        path = self.folder / _FILE
        try:
            return _contents(json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return ShelfContents()
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelUnavailable(
                f"the registry of models {path} is damaged ({error}); remove it, the models can be added again"
            ) from error

    def path(self, version: ModelVersion) -> Path:
        """Where the file of a version lies."""
        return self.folder / version.file

    def adapter(self, version: ModelVersion) -> Path | None:
        """Where the adapter of a version lies."""
        return self.folder / version.adapter if version.adapter else None

    def put(
        self, name: str, file: Path, origin: str, *, promote: bool, adapter: Path | None = None, **told: Any
    ) -> ModelVersion:
        """Register a file as the next version of a name; a file known already keeps its number.

        `told`: `measured`, `machine` and `base`. Raises BadRequest for a name that cannot be, ModelUnavailable for a
        file that is no model.
        """
        if not _NAME.fullmatch(name):
            raise BadRequest(
                f"{name!r} cannot be the name of a model; use a-z, 0-9, '.', '_' and '-', at most 64 characters"
            )
        fresh = _described(file, origin, self._inside(file), told)
        fresh = replace(fresh, adapter=self._inside(adapter) if adapter else "")
        with self._changing() as change:
            contents = change.contents
            if name in contents.aliases:
                raise BadRequest(f"{name!r} is an alias of {contents.aliases[name]}; choose another name")
            entry = contents.models.get(name) or ModelEntry(name, (), ())
            known = next((v for v in entry.versions if _same(v, fresh)), None)
            number = known.version if known else max((v.version for v in entry.versions), default=0) + 1
            version = replace(fresh, version=number)
            others = tuple(v for v in entry.versions if v.version != number)
            versions = tuple(sorted((*others, version), key=lambda v: v.version))
            entry = replace(entry, versions=versions)
            if promote or not entry.promoted:
                entry = _promoted(entry, number)
            change.put(entry)
        return version

    def promote(self, name: str, version: int) -> ModelEntry:
        """Let a version speak from now on. Raises NoSuchModel."""
        with self._changing() as change:
            entry = change.contents.entry(name)
            entry.version(version)
            return change.put(_promoted(entry, version))

    def roll_back(self, name: str) -> ModelEntry:
        """Return to the version that spoke before. Raises NoSuchModel, BadRequest if there is none."""
        with self._changing() as change:
            entry = change.contents.entry(name)
            if len(entry.promoted) < 2:
                speaks = entry.promoted[-1]
                raise BadRequest(f"version {speaks} of {name} speaks and none did before; promote another version")
            return change.put(replace(entry, promoted=entry.promoted[:-1]))

    def mark_optimized(self, name: str, machine: str) -> None:
        """Remember that the kinds of this model were compared on this machine."""
        with self._changing() as change:
            change.put(replace(change.contents.entry(name), optimized_for=machine))

    def alias(self, alias: str, name: str) -> None:
        """Let `alias` mean `name`. Raises BadRequest, NoSuchModel."""
        if not _NAME.fullmatch(alias):
            raise BadRequest(f"{alias!r} cannot be an alias; use a-z, 0-9, '.', '_' and '-', at most 64 characters")
        with self._changing() as change:
            if alias in change.contents.models or alias == LOCAL:
                raise BadRequest(f"{alias!r} is the name of a model; choose another alias")
            if name != LOCAL:
                change.contents.entry(name)
            change.alias(alias, name)

    def remove(self, name: str, version: int | None = None) -> tuple[str, ...]:
        """Take a version, an alias, or a whole name away; files of ours are deleted and named. Raises NoSuchModel.

        The version that speaks is not taken alone: promote another first.
        """
        with self._changing() as change:
            if name in change.contents.aliases and version is None:
                change.unalias(name)
                return ()
            entry = change.contents.entry(name)
            gone = entry.versions if version is None else (entry.version(version),)
            if version is not None and version == entry.promoted[-1]:
                raise BadRequest(f"version {version} of {name} speaks now; promote another one first")
            if version is None:
                change.drop(name)
            else:
                kept = tuple(v for v in entry.versions if v.version != version)
                promoted = tuple(number for number in entry.promoted if number != version)
                change.put(replace(entry, versions=kept, promoted=_without_repeats(promoted)))
        still = {file for other in self.read().models.values() for v in other.versions for file in (v.file, v.adapter)}
        files = {file for v in gone for file in (v.file, v.adapter) if file and not Path(file).is_absolute()}
        ours = [self.folder / file for file in sorted(files - still)]
        for path in ours:
            self._files.remove(path)
        return tuple(str(path) for path in ours)

    def _inside(self, file: Path) -> str:
        try:
            return str(file.resolve().relative_to(self.folder.resolve()))
        except ValueError:
            return str(file.resolve())

    @contextmanager
    def _changing(self) -> Iterator["_Change"]:
        self._files.make_folder(self.folder)
        descriptor = os.open(self.folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield _Change(self.read(), self._write)
        finally:
            os.close(descriptor)

    def _write(self, contents: ShelfContents) -> None:
        text = json.dumps({"models": [asdict(m) for m in contents.models.values()], "aliases": dict(contents.aliases)})
        path = temporary_name(self.folder)
        with self._files.create(path) as file:
            self._files.write(file, text.encode())
            self._files.sync(file)
        self._files.rename(path, self.folder / _FILE)
        self._files.sync_folder(self.folder)


@dataclass
class _Change:
    """A change under the lock; every step is written at once."""

    contents: ShelfContents
    write: Callable[[ShelfContents], None]

    def put(self, entry: ModelEntry) -> ModelEntry:
        self._now(replace(self.contents, models={**self.contents.models, entry.name: entry}))
        return entry

    def drop(self, name: str) -> None:
        models = {other: entry for other, entry in self.contents.models.items() if other != name}
        aliases = {alias: target for alias, target in self.contents.aliases.items() if target != name}
        self._now(ShelfContents(models, aliases))

    def alias(self, alias: str, name: str) -> None:
        self._now(replace(self.contents, aliases={**self.contents.aliases, alias: name}))

    def unalias(self, alias: str) -> None:
        left = {other: name for other, name in self.contents.aliases.items() if other != alias}
        self._now(replace(self.contents, aliases=left))

    def _now(self, contents: ShelfContents) -> None:
        self.write(contents)
        self.contents = contents


def sha256_of(path: Path) -> str:
    """Of a whole file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def quantisation_of(metadata: Mapping[str, Any]) -> str:
    """How llama.cpp calls the kind of a file by its metadata; empty if the file does not say."""
    return _KINDS.get(metadata.get("general.file_type", -1), "")


def _described(file: Path, origin: str, shown: str, told: Mapping[str, Any]) -> ModelVersion:
    header = read_header(file)
    return ModelVersion(
        version=0,
        file=shown,
        sha256=sha256_of(file),
        size=header.size,
        licence=header.licence,
        quantisation=quantisation_of(header.metadata),
        context=header.context_tokens,
        origin=origin,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        **told,
    )


def _same(one: ModelVersion, other: ModelVersion) -> bool:
    return (one.sha256, one.file, one.adapter) == (other.sha256, other.file, other.adapter)


def _promoted(entry: ModelEntry, version: int) -> ModelEntry:
    return replace(entry, promoted=_without_repeats((*entry.promoted, version)))


def _without_repeats(numbers: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(n for place, n in enumerate(numbers) if place == 0 or numbers[place - 1] != n)


def _contents(raw: Any) -> ShelfContents:
    entries = [
        ModelEntry(
            item["name"],
            tuple(ModelVersion(**version) for version in item["versions"]),
            tuple(item["promoted"]),
            item["optimized_for"],
        )
        for item in raw["models"]
    ]
    for entry in entries:
        if not entry.promoted:
            raise ValueError(f"model {entry.name} has no promoted version")
    return ShelfContents({entry.name: entry for entry in entries}, dict(raw["aliases"]))
