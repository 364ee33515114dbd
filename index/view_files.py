"""What the views of one folder have on disk: snapshots of both, and the epoch that a repair begins. Knows no moment.

Everything here is disposable: what is lost or broken is set aside and costs a rebuild from SQL.
"""

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from index.database import Database
from index.errors import ViewsUnwritable
from index.follow import count_vectors, mark_at, position, read_vectors
from index.lexical import BEGUN, FORMAT, LexicalView
from index.snapshot import Snapshot, Snapshots
from index.vector_base import Limits, base_writer, sampling_step
from index.vectors import VectorView
from index.work_folder import older_work_folders

V = TypeVar("V", VectorView, LexicalView)

EPOCH = "epoch"  # a file of the folder: whoever finds another text in it than before opens the views anew


class ViewFiles:
    """The snapshots of the views of one database for one embedder (`stamp` is its key). Not thread-safe."""

    def __init__(self, database: Database, stamp: str, folder: Path) -> None:
        self._database = database
        self._stamp = stamp
        self.folder = folder
        self.dense = Snapshots(folder, "dense", stamp)
        self.lexical = Snapshots(folder, "lexical", FORMAT)
        self._epoch = ""  # in which the views were opened

    def enter_epoch(self) -> None:
        """From here on, the views are of the epoch that is."""
        self._epoch = self._read_epoch()

    def repaired_elsewhere(self) -> bool:
        """Whether another process began an epoch since the views were opened."""
        return self._read_epoch() != self._epoch

    def begin_epoch(self) -> None:
        """No snapshot of before is opened any more, and other processes let go of theirs at their next step."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / EPOCH).write_text(secrets.token_hex(8))
        self.dense.forget()
        self.lexical.forget()

    def opened(self, snapshots: Snapshots, open_view: Callable[[Snapshot], V]) -> V | None:
        """The view of the newest snapshot that is ours and whole; None if there is none."""
        found = snapshots.newest(lambda seq, mark: self._signed(mark_at(self._database, seq)) == mark)
        if found is None:
            return None
        try:
            return open_view(found)
        except (ValueError, OSError) as error:
            snapshots.discard(found, str(error))
            return None

    def write_base(self, dimension: int, limits: Limits, threads: int = 0) -> Snapshot:
        """A base of all vectors as they are in SQL now; older ones are removed. Raises what the disk makes of it.

        `threads` are those of faiss, 0 for as many as there are cores.
        """
        with self._database.read() as session:
            seq, mark = position(session)
            count = count_vectors(session, self._stamp)
            kind = limits.kind(count)
            rows = read_vectors(session, self._stamp)
            sample = [] if kind == "flat" else read_vectors(session, self._stamp, every=sampling_step(count))
            details: dict[str, Any] = {"kind": kind, "rows": count}
            fill = base_writer(kind, dimension, count, rows, sample, details, threads)
            written = self.dense.write(seq, self._signed(mark) or "", fill, details)
        self.dense.keep_only(written)
        return written

    def write_lexical(self, view: LexicalView) -> Snapshot:
        """The committed words; older ones are removed. Raises what the disk makes of it."""
        mark = self._signed(mark_at(self._database, view.applied_seq))
        written = self.lexical.write(view.applied_seq, mark or "", view.fill_snapshot, view.details)
        self.lexical.keep_only(written)
        return written

    def pin_lexical(self, view: LexicalView) -> Callable[[], Snapshot]:
        """What does as `write_lexical` would now, at any later time and in any thread, before the view is closed."""
        seq, details = view.applied_seq, view.details
        mark = self._signed(mark_at(self._database, seq))
        fill = view.pinned()

        def write() -> Snapshot:
            written = self.lexical.write(seq, mark or "", fill, details)
            self.lexical.keep_only(written)
            return written

        return write

    def holds_words_before(self, seq: int) -> bool:
        """Whether the snapshot of the words may hold some of what was deleted up to this line of the log."""
        header = self.lexical.peek()
        return header is not None and int(header["details"].get(BEGUN, 0)) < seq

    def older_copies(self, than: float) -> list[str]:
        """What may still hold rows that died by the time `than` (seconds since the epoch): snapshots, living views."""
        found = self.dense.superseded() + self.lexical.superseded()
        return found + [f"{name}, a view of a running process" for name in older_work_folders(self.folder, than)]

    def faults(self) -> list[str]:
        """One line per snapshot that would be set aside when opened."""
        return self.dense.faults() + self.lexical.faults()

    def _read_epoch(self) -> str:
        try:
            return (self.folder / EPOCH).read_text()
        except FileNotFoundError:
            return ""

    def _signed(self, mark: str | None) -> str | None:
        """A mark that is good for this epoch alone."""
        return f"{mark}@{self._epoch}" if mark and self._epoch else mark


@contextmanager
def disk_errors_told(folder: Path) -> Iterator[None]:
    """What faiss, tantivy and the system say of a disk that refuses becomes one clear error, ViewsUnwritable."""
    try:
        yield
    except (OSError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ViewsUnwritable(
            f"the views under {folder} cannot be written ({reason}); make room on that disk or mend its permissions, "
            "then try again; nothing is lost, documents are kept in the database"
        ) from error


IN_TABLE = "index.dense is pgvector: a table of the database, one for all processes"


def describe_base(folder: Path, limits: Limits, chunks: int, *, in_table: bool = False) -> Mapping[str, Any]:
    """Which class of the dense view serves from this folder, and why; `chunks` are those of all collections."""
    if in_table:
        return {"class": "pgvector", "base_chunks": chunks, "chunks": chunks, "why": IN_TABLE}
    header = Snapshots(folder, "dense", "").peek()
    if header is None:
        why = "no base was written yet: all rows are held in memory and each query compares with all, exactly"
        return {"class": "recent rows", "base_chunks": 0, "chunks": chunks, "why": why}
    details = header["details"]
    rows = int(details.get("rows", 0))
    return {
        "class": details["kind"],
        "base_chunks": rows,
        "chunks": chunks,
        "lists_looked_at": int(details.get("nprobe", 0)),
        "why": limits.reason(rows),
    }
