"""Keeps both views level with the change log: opens, follows, compacts, snapshots. Knows no query and no fusion.

Everything here is disposable. A lost or broken snapshot, a full disk or a crash at any line costs a rebuild from SQL;
what may be shown is decided in SQL by `index/search.py`, never here.
"""

import logging
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from index.database import Database
from index.errors import CorpusError, EmbedderMismatch
from index.follow import Step, count_vectors, mark_at, next_step, position, read_texts, read_vectors
from index.generations import whole
from index.lexical import FORMAT, LexicalMoment, LexicalView, older_work_folders
from index.pgvector import TableMoment, TableView
from index.schema import Collection
from index.snapshot import Snapshot, Snapshots
from index.vector_base import Limits, base_writer, sampling_step
from index.vectors import VectorMoment, VectorView

V = TypeVar("V", VectorView, LexicalView)
Dense = Literal["faiss", "pgvector"]

RETRY_SECONDS = 60.0  # between attempts to write a snapshot after the disk refused one
EPOCH = "epoch"  # a file of the folder: whoever finds another text in it than before opens the views anew
WORTH_KEEPING = 1000  # changed chunks for which a snapshot is written on closing; fewer are read again in no time
DEAD_SHARE = 0.25  # of a base, after which it is built anew

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Moment:
    """Both views at one line of the log."""

    applied_seq: int
    dense: VectorMoment | TableMoment
    lexical: LexicalMoment


class Views:
    """The views of one database for one embedder (`stamp` is its key). `moment` is None until they are open.

    With `dense` pgvector, a table of the database takes the place of the FAISS view and its snapshots.

    `catch_up`, `compact` and `close` may be called from any thread; readers take `moment` and no lock.
    """

    def __init__(
        self,
        database: Database,
        stamp: str,
        dimension: int,
        folder: Path,
        *,
        limits: Limits,
        delta_limit: int,
        dense: Dense = "faiss",
    ) -> None:
        self._database = database
        self._stamp = stamp
        self._dimension = dimension
        self._folder = folder
        self._limits = limits
        self._delta_limit = delta_limit
        self._in_table = dense == "pgvector"
        self._writing = threading.Lock()
        self._views: tuple[VectorView | TableView, LexicalView] | None = None
        self._dense_snapshots = Snapshots(folder, "dense", stamp)
        self._lexical_snapshots = Snapshots(folder, "lexical", FORMAT)
        self._lexical_changed = 0  # chunks since its last snapshot
        self._built: Snapshot | None = None  # a new base that waits to be taken
        self._builder: threading.Thread | None = None
        self._not_before = 0.0  # monotonic seconds: no snapshot is tried earlier
        self._epoch = ""
        self._retired = False
        self._complete = False  # whether the views stand where readers may see them: not while they open
        self.failures = 0  # snapshots that could not be written
        self.moment: Moment | None = None

    def check_stamp(self) -> None:
        """Raises EmbedderMismatch if a collection holds vectors of another embedder and none of ours."""
        with self._database.read() as session:
            others = session.execute(
                select(Collection.name, Collection.stamp).where(Collection.stamp.not_in(["", self._stamp]))
            ).all()
            known = not others or whole(session, self._stamp, *{stamp for _, stamp in others})
        if not known:
            names = ", ".join(f"{name!r} ({stamp})" for name, stamp in others)
            raise EmbedderMismatch(
                f"these collections hold vectors of another embedder than {self._stamp}: {names}; "
                "configure the embedder that made them, or delete them and ingest again"
            )

    def catch_up(self) -> Moment:
        """Apply the log to its end and publish the result."""
        with self._writing:
            return self._catch_up()

    def compact(self) -> Moment:
        """Catch up, then write both views to new snapshots and serve from them. Raises OSError if the disk refuses."""
        with self._writing:
            self._catch_up()
            self._renew_dense()
            moment = self._catch_up()
            self._write_lexical()
            return moment

    def rebuild(self) -> Moment:
        """Forget both views and all their snapshots, here and in every other process, and build them from SQL.

        Raises OSError if the disk refuses.
        """
        with self._writing:
            self._let_go()
            self._folder.mkdir(parents=True, exist_ok=True)
            # From here on no snapshot of before is opened, and other processes let go of theirs at their next step.
            (self._folder / EPOCH).write_text(secrets.token_hex(8))
            self._dense_snapshots.forget()
            self._lexical_snapshots.forget()
            self._catch_up()
            self._renew_dense(refill=True)
            moment = self._catch_up()
            self._write_lexical()
            return moment

    def older_copies(self, than: float) -> list[str]:
        """What may still hold rows that died by the time `than` (seconds since the epoch): snapshots, living views."""
        found = self._dense_snapshots.superseded() + self._lexical_snapshots.superseded()
        return found + [f"{name}, a view of a running process" for name in older_work_folders(self._folder, than)]

    def snapshot_faults(self) -> list[str]:
        """One line per snapshot on disk that would be set aside when opened."""
        return self._dense_snapshots.faults() + self._lexical_snapshots.faults()

    def status(self) -> Mapping[str, Any]:
        """Figures for people: rows of each view and what serves them."""
        moment, views = self.moment, self._views
        if moment is None or views is None:
            return {"applied_seq": 0, "chunks": 0, "dense": "opening", "lexical": "opening"}
        return {
            "applied_seq": moment.applied_seq,
            "chunks": moment.dense.rows,
            "lexical_chunks": moment.lexical.rows,
            "dense": moment.dense.kind,
            "why": self._why(views[0]),
            "lexical": FORMAT,
            "delta_chunks": views[0].delta_rows,
            "dead_chunks": views[0].dead_rows,
            "snapshot_failures": self.failures,
        }

    def retire(self) -> None:
        """Let go for good, keeping nothing: another embedder serves. The last moment stays readable."""
        self._await_builder()
        with self._writing:
            self._retired = True
            self._let_go()

    def close(self) -> None:
        """Keep what would be slow to rebuild, and let go of the work folder. Harmless when repeated."""
        self._await_builder()
        with self._writing:
            if self._views is None:
                return
            dense, _ = self._views
            worth = not self._in_table and dense.delta_rows >= WORTH_KEEPING
            self._attempt(lambda: self._write_base() if worth else None)
            self._attempt(lambda: self._write_lexical() if self._lexical_changed >= WORTH_KEEPING else None)
            self._let_go()
            self.moment = None

    def _why(self, dense: VectorView | TableView) -> str:
        if self._in_table:
            return "index.dense is pgvector: a table of the database, one for all processes"
        return self._limits.reason(dense.base_rows) if dense.base_rows else "no base yet: all rows are recent"

    # Under the lock

    def _renew_dense(self, *, refill: bool = False) -> None:
        dense, _ = self._opened_views()
        if not isinstance(dense, TableView):
            self._await_builder()  # or the older of two bases might be the one that is kept
            self._built = self._write_base()
            return
        if refill:
            dense.refill()
        dense.vacuum()

    def _let_go(self) -> None:
        """Close the views; the moment that readers hold stays readable."""
        if self._views is not None:
            self._views[1].close()
            self._views, self._complete = None, False

    def _catch_up(self) -> Moment:
        if self._retired and self.moment is not None:
            return self.moment
        if self._views is not None and self._read_epoch() != self._epoch:
            _log.info("the views were repaired by another process and are opened anew")
            self._let_go()
        if self._views is None:
            self._open()
        taken = self._take_built_base()
        while self._level() or self._step():
            pass
        moment = self._publish() if taken or not self._complete or self.moment is None else self.moment
        self._complete = True
        if time.monotonic() >= self._not_before:
            self._compact_if_due()
        return moment

    def _open(self) -> None:
        self.check_stamp()
        self._epoch = self._read_epoch()
        dense: VectorView | TableView | None
        if self._in_table:
            dense = TableView(self._database, self._stamp, self._dimension)
        else:
            dense = self._opened(self._dense_snapshots, lambda found: VectorView(self._dimension, found))
        lexical = self._opened(self._lexical_snapshots, lambda found: LexicalView(self._folder, found))
        self._views = (dense or self._new_dense(), lexical or self._new_lexical())

    def _opened(self, snapshots: Snapshots, open_view: Callable[[Snapshot], V]) -> V | None:
        found = snapshots.newest(lambda seq, mark: self._signed(mark_at(self._database, seq)) == mark)
        if found is None:
            return None
        try:
            return open_view(found)
        except (ValueError, OSError) as error:
            snapshots.discard(found, str(error))
            return None

    def _read_epoch(self) -> str:
        try:
            return (self._folder / EPOCH).read_text()
        except FileNotFoundError:
            return ""

    def _signed(self, mark: str | None) -> str | None:
        """A mark that is good for this epoch alone."""
        return f"{mark}@{self._epoch}" if mark and self._epoch else mark

    def _new_dense(self) -> VectorView:
        with self._database.read() as session:
            rows = count_vectors(session, self._stamp)
        if rows > self._delta_limit:
            built = self._attempt(self._write_base)
            if built is not None:
                return VectorView(self._dimension, built)
        view = VectorView(self._dimension)
        with self._database.read() as session:
            seq, _ = position(session)
            for part in read_vectors(session, self._stamp):
                view.add(part)
            view.applied_seq = seq
        return view

    def _new_lexical(self) -> LexicalView:
        view = LexicalView(self._folder)
        with self._database.read() as session:
            seq, _ = position(session)
            self._lexical_changed = view.add(read_texts(session))
            view.commit(seq)
        return view

    def _opened_views(self) -> tuple[VectorView | TableView, LexicalView]:
        if self._views is None:
            raise RuntimeError("the views are closed")
        return self._views

    def _level(self) -> bool:
        """Bring the view that is behind a step nearer to the other. False if they are level."""
        dense, lexical = self._opened_views()
        if dense.applied_seq == lexical.applied_seq:
            return False
        upto = max(dense.applied_seq, lexical.applied_seq)
        with self._database.read() as session:
            if dense.applied_seq < upto:
                step = next_step(session, dense.applied_seq, upto)
                self._apply_dense(session, dense, step or Step(upto, "", (), ()))
            else:
                step = next_step(session, lexical.applied_seq, upto)
                self._apply_lexical(session, lexical, step or Step(upto, "", (), ()))
        return True

    def _step(self) -> bool:
        """Bring both views a step forward. False at the end of the log."""
        dense, lexical = self._opened_views()
        with self._database.read() as session:
            step = next_step(session, dense.applied_seq)
            if step is None:
                return False
            self._apply_lexical(session, lexical, step)
            self._apply_dense(session, dense, step)
        if self._complete:
            self._publish()
        return True

    def _apply_dense(self, session: Session, view: VectorView | TableView, step: Step) -> None:
        # What is added is removed first, so that a step which failed half-way can be taken again.
        view.apply(step.gone + step.added, read_vectors(session, self._stamp, step.added), step.upto)

    def _apply_lexical(self, session: Session, view: LexicalView, step: Step) -> None:
        try:
            view.remove(step.gone + step.added)
            self._lexical_changed += view.add(read_texts(session, step.added)) + len(step.gone)
            view.commit(step.upto)
        except BaseException:
            view.rollback()
            raise

    def _publish(self) -> Moment:
        dense, lexical = self._opened_views()
        self.moment = Moment(dense.applied_seq, dense.moment(), lexical.moment())
        return self.moment

    def _take_built_base(self) -> bool:
        """Serve from the new base; `_level` brings it up to what was applied while it was built."""
        built, self._built = self._built, None
        if built is None:
            return False
        _, lexical = self._opened_views()
        try:
            self._views = (VectorView(self._dimension, built), lexical)
        except ValueError as error:
            self._dense_snapshots.discard(built, str(error))
            return False
        except FileNotFoundError:  # another process wrote a newer one and tidied up; ours serves on
            return False
        return True

    # Snapshots

    def _compact_if_due(self) -> None:
        dense, _ = self._opened_views()
        if self._lexical_changed > self._delta_limit:
            self._attempt(self._write_lexical)
        if self._in_table:
            return
        due = dense.delta_rows > self._delta_limit or dense.dead_rows > max(WORTH_KEEPING, DEAD_SHARE * dense.base_rows)
        due |= dense.kind not in ("empty", self._limits.kind(dense.base_rows))  # the limits were set anew
        if due and (self._builder is None or not self._builder.is_alive()):
            self._builder = threading.Thread(target=self._build, name="footnote-base", daemon=True)
            self._builder.start()

    def _build(self) -> None:
        self._built = self._attempt(self._write_base)

    def _await_builder(self) -> None:
        if self._builder is not None:
            self._builder.join()

    def _write_base(self) -> Snapshot:
        with self._database.read() as session:
            seq, mark = position(session)
            count = count_vectors(session, self._stamp)
            kind = self._limits.kind(count)
            rows = read_vectors(session, self._stamp)
            sample = [] if kind == "flat" else read_vectors(session, self._stamp, every=sampling_step(count))
            details: dict[str, Any] = {"kind": kind, "rows": count}
            fill = base_writer(kind, self._dimension, count, rows, sample, details)
            written = self._dense_snapshots.write(seq, self._signed(mark) or "", fill, details)
        self._dense_snapshots.keep_only(written)
        return written

    def _write_lexical(self) -> Snapshot:
        _, lexical = self._opened_views()
        mark = self._signed(mark_at(self._database, lexical.applied_seq))
        written = self._lexical_snapshots.write(lexical.applied_seq, mark or "", lexical.fill_snapshot)
        self._lexical_snapshots.keep_only(written)
        self._lexical_changed = 0
        return written

    def _attempt(self, write: Callable[[], Snapshot | None]) -> Snapshot | None:
        """Write a snapshot if the disk lets us; the views serve without one."""
        try:
            return write()
        except (OSError, RuntimeError, ValueError, SQLAlchemyError, CorpusError) as error:
            self.failures += 1
            self._not_before = time.monotonic() + RETRY_SECONDS
            _log.warning("a snapshot of a view could not be written; trying again later: %s", error)
            return None


def describe_base(folder: Path, limits: Limits, chunks: int) -> Mapping[str, Any]:
    """Which class of the dense view serves from this folder, and why; `chunks` are those of all collections."""
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
