"""A source and a collection made equal: first the difference, then, as far as it is confirmed, the changes.

Touches only documents that came from the same source. Knows no HTTP, no parser, no terminal and no kind
of source.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from index.catalog import Catalog
from index.rows import DocumentInfo
from ingest.door import PART_OF, Door
from ingest.errors import SyncNotConfirmed, UnreadableDocument
from ingest.originals import Originals
from ingest.sources import Found, Source

SOURCE = "source"  # metadata: where a document came from
_PAGE = 500


@dataclass(frozen=True, slots=True)
class Difference:
    """What a sync would do, by names; `moved` are (from, to), `left` (file that is not touched, reason)."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    moved: tuple[tuple[str, str], ...] = ()
    removed: tuple[str, ...] = ()
    unchanged: int = 0
    left: tuple[tuple[str, str], ...] = ()

    @property
    def digest(self) -> str:
        """Names this very difference: what is confirmed is what was shown."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:12]

    @property
    def is_empty(self) -> bool:
        return not (self.added or self.changed or self.moved or self.removed)


@dataclass(frozen=True, slots=True)
class Applied:
    """What a sync did. `refused` are files that were not accepted, with the reason."""

    batch: str | None
    jobs: int
    moved: int
    removed: int
    refused: tuple[tuple[str, str], ...]


def difference(found: Sequence[Found], current: Sequence[DocumentInfo], source: str) -> Difference:
    """Pure: the files of the source against the current documents of the collection."""
    from_here = [info for info in current if info.metadata.get(SOURCE) == source]
    ours = {info.name: info for info in from_here if PART_OF not in info.metadata}
    tables = {info.metadata[PART_OF] for info in from_here if PART_OF in info.metadata}
    others = {info.name for info in current if info.metadata.get(SOURCE) != source}
    hashes = {info.content_hash: info for info in current}
    names = {file.name for file in found}
    gone = {info.content_hash: info.name for info in ours.values() if info.name not in names}
    added: list[str] = []
    changed: list[str] = []
    moved: list[tuple[str, str]] = []
    left: list[tuple[str, str]] = []
    unchanged = 0
    for file in found:
        mine, same = ours.get(file.name), hashes.get(file.sha256)
        if file.is_table:
            (changed if file.name in tables else added).append(file.name)
        elif mine is not None:
            unchanged += mine.content_hash == file.sha256
            if mine.content_hash != file.sha256:
                changed.append(file.name)
        elif file.name in others:
            left.append((file.name, "a document of this name came from elsewhere"))
        elif file.sha256 in gone:
            moved.append((gone.pop(file.sha256), file.name))
        elif same is not None:
            left.append((file.name, f"the same bytes are in as {same.name}"))
        else:
            added.append(file.name)
    kept = names | {before for before, _ in moved}
    removed = sorted((ours.keys() | tables) - kept)
    return Difference(tuple(added), tuple(changed), tuple(moved), tuple(removed), unchanged, tuple(left))


class Sync:
    """Syncs one source into one collection (id)."""

    def __init__(self, catalog: Catalog, door: Door, originals: Originals, source: Source, collection: str) -> None:
        self._catalog = catalog
        self._door = door
        self._originals = originals
        self._gather = source.gather
        self._collection = collection
        self._source = source.name

    def look(self) -> tuple[Difference, tuple[Found, ...]]:
        """The difference as it is now, with the files it is about. Raises SourceRefused, SourceUnreachable."""
        gathered = self._gather()
        current = list(self._documents())
        found = difference(gathered.files, current, self._source)
        there = {name for name, _ in gathered.left}
        removed = tuple(name for name in found.removed if name not in there)
        return replace(found, removed=removed, left=(*found.left, *gathered.left)), gathered.files

    def apply(
        self, confirmed: str | None, *, batch: str | None = None, leave: Mapping[str, str] | None = None
    ) -> Applied:
        """Add, change and move; remove too when `confirmed` is the digest of the difference as it is now.

        `leave` are files, name to sha256, that are not to be tried. Raises SyncNotConfirmed when the difference is not
        the one that was confirmed: nothing was done then.
        """
        wanted, files = self.look()
        if confirmed is not None and confirmed != wanted.digest:
            raise SyncNotConfirmed(
                f"the difference is {wanted.digest} now and not the confirmed {confirmed}; look at it and confirm again"
            )
        moved = sum(self._move(before, after) for before, after in wanted.moved)
        enter = {*wanted.added, *wanted.changed}
        skipped = leave or {}
        jobs, refused = 0, []
        for file in files:
            if file.name not in enter or skipped.get(file.name) == file.sha256:
                continue
            try:
                with file.path.open("rb") as stream:
                    entered = self._door.enter(
                        self._collection,
                        file.name,
                        stream,
                        batch=batch,
                        metadata={**file.attributes, SOURCE: self._source},
                    )
                jobs += len(entered.jobs)
            except (UnreadableDocument, OSError) as error:
                refused.append((file.name, str(error)))
        removed = self._remove(set(wanted.removed)) if confirmed is not None else 0
        return Applied(batch, jobs, moved, removed, tuple(refused))

    def _move(self, before: str, after: str) -> bool:
        document = next(
            info.id for info in self._documents() if info.name == before and info.metadata.get(SOURCE) == self._source
        )
        return self._catalog.rename_document(document, after)

    def _remove(self, names: set[str]) -> int:
        count = 0
        for info in list(self._documents()):
            if info.metadata.get(SOURCE) == self._source and info.metadata.get(PART_OF, info.name) in names:
                keys = self._originals.of_document(info.id)
                count += self._catalog.delete_document(info.id)
                self._originals.remove(keys)
        return count

    def _documents(self) -> Iterator[DocumentInfo]:
        cursor = None
        while True:
            page = self._catalog.documents(self._collection, _PAGE, cursor)
            yield from page.items
            cursor = page.next_cursor
            if cursor is None:
                return
