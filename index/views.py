"""Keeps both views level with the change log: opens, follows, compacts, snapshots. Knows no query and no fusion.

Everything here is disposable. A lost or broken snapshot, a full disk or a crash at any line costs a rebuild from SQL;
what may be shown is decided in SQL by `index/recheck.py`, never here.
"""

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from index.background import Makers
from index.database import Database
from index.errors import EmbedderMismatch
from index.follow import Step, next_step, read_texts, read_vectors, with_rests
from index.generations import whole
from index.lexical import FORMAT, LexicalMoment, LexicalView
from index.pgvector import TableMoment, TableView
from index.schema import Collection
from index.snapshot import Snapshot
from index.vector_base import Limits
from index.vectors import VectorMoment, VectorView
from index.view_files import IN_TABLE, ViewFiles, disk_errors_told

Dense = Literal["faiss", "pgvector"]

WORTH_KEEPING = 1000  # changed chunks for which a snapshot is written on closing; fewer are read again in no time
REST_SECONDS = 0.003  # after every few chunks that are followed: a search waits for each of its rows otherwise
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
        dense: Dense = "faiss",
    ) -> None:
        self._database = database
        self._stamp = stamp
        self._dimension = dimension
        self._folder = folder
        self._limits = limits
        self._in_table = dense == "pgvector"
        self._writing = threading.Lock()
        self._views: tuple[VectorView | TableView, LexicalView] | None = None
        self._files = ViewFiles(database, stamp, folder)
        self._lexical_changed = 0  # chunks since its last snapshot
        self._makers = Makers(database, stamp, dimension, limits, self._files)
        self._retired = False
        self._complete = False  # whether the views stand where readers may see them: not while they open
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
        """Apply the log to its end and publish the result. Raises ViewsUnwritable if the disk refuses."""
        with self._writing:
            return self._catch_up()

    def compact(self) -> Moment:
        """Catch up, then write both views to new snapshots and serve from them.

        Raises ViewsUnwritable if the disk refuses; what served before serves on.
        """
        with self._writing:
            self._catch_up()
            self._renew_dense()
            moment = self._catch_up()
            self._write_lexical()
            return moment

    def cleanse(self, upto: int) -> bool:
        """Whether nothing that was deleted up to this line of the log is left in both views and their snapshots.

        Where something is, making them anew begins in the background, and the question is to be asked again.
        """
        with self._writing:
            self._catch_up()
            if self._retired:
                return False
            dense, lexical = self._opened_views()
            if dense.applied_seq < upto or self._makers.resting:
                return False
            clean = True
            if dense.begun_seq < upto:
                clean = False
                self._makers.start_base()
            if lexical.begun_seq < upto:
                clean = False
                self._makers.start_words()
            elif self._makers.sealing or self._files.holds_words_before(upto):
                clean = False
                self._seal(lexical)
            return clean

    def rebuild(self) -> Moment:
        """Forget both views and all their snapshots, here and in every other process, and build them from SQL.

        Raises ViewsUnwritable if the disk refuses.
        """
        with self._writing:
            self._let_go()
            with disk_errors_told(self._folder):
                self._files.begin_epoch()
            self._catch_up()
            self._renew_dense(refill=True)
            moment = self._catch_up()
            self._write_lexical()
            return moment

    def older_copies(self, than: float) -> list[str]:
        """What may still hold rows that died by the time `than` (seconds since the epoch): snapshots, living views."""
        return self._files.older_copies(than)

    def snapshot_faults(self) -> list[str]:
        """One line per snapshot on disk that would be set aside when opened."""
        return self._files.faults()

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
            "snapshot_failures": self._makers.failures,
        }

    def retire(self) -> None:
        """Let go for good, keeping nothing: another embedder serves. The last moment stays readable."""
        self._makers.stop()
        with self._writing:
            self._retired = True
            self._let_go()

    def close(self) -> None:
        """Keep what would be slow to rebuild, and let go of the work folder. Harmless when repeated."""
        self._makers.stop()
        with self._writing:
            if self._views is None:
                return
            self._makers.await_sealer()
            self._lexical_changed += self._makers.owed()
            dense, _ = self._views
            worth = not self._in_table and dense.delta_rows >= WORTH_KEEPING
            self._makers.attempt(lambda: self._makers.write_base() if worth else None)
            self._makers.attempt(lambda: self._write_lexical() if self._lexical_changed >= WORTH_KEEPING else None)
            self._let_go()
            self.moment = None

    def _why(self, dense: VectorView | TableView) -> str:
        if self._in_table:
            return IN_TABLE
        if not dense.base_rows:
            return "all rows are recent ones, and each query compares with all of them, exactly"
        return self._limits.reason(dense.base_rows)

    # Under the lock

    def _renew_dense(self, *, refill: bool = False) -> None:
        dense, _ = self._opened_views()
        if not isinstance(dense, TableView):
            self._makers.bases.wait()  # or the older of two bases might be the one that is kept
            self._makers.bases.put(self._makers.write_base())
            return
        if refill:
            dense.refill()
        dense.vacuum()

    def _let_go(self) -> None:
        """Close the views; the moment that readers hold stays readable."""
        self._makers.await_sealer()
        self._makers.words.wait()
        if (words := self._makers.words.take()) is not None:
            words.close()
        if self._views is not None:
            self._views[1].close()
            self._views, self._complete = None, False

    def _catch_up(self) -> Moment:
        if self._retired and self.moment is not None:
            return self.moment
        if self._views is not None and self._files.repaired_elsewhere():
            _log.info("the views were repaired by another process and are opened anew")
            self._let_go()
        if self._views is None:
            self._open()
        taken = self._take_built_base() | self._take_new_words()
        while self._level() or self._step():
            pass
        moment = self._publish() if taken or not self._complete or self.moment is None else self.moment
        self._complete = True
        if not self._makers.resting:
            self._compact_if_due()
        return moment

    def _open(self) -> None:
        self.check_stamp()
        self._files.enter_epoch()
        dense: VectorView | TableView | None
        if self._in_table:
            dense = TableView(self._database, self._stamp, self._dimension)
        else:
            dense = self._files.opened(self._files.dense, lambda found: VectorView(self._dimension, found))
        lexical = self._files.opened(self._files.lexical, lambda found: LexicalView(self._folder, found))
        self._views = (dense or self._makers.dense(), lexical or self._new_lexical())

    def _new_lexical(self) -> LexicalView:
        view, self._lexical_changed = self._makers.lexical()
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
            with disk_errors_told(self._folder):
                view.remove(step.gone + step.added)
                texts = read_texts(session, step.added)
                if self._complete:  # somebody may be asking meanwhile
                    texts = with_rests(texts, lambda: time.sleep(REST_SECONDS))
                self._lexical_changed += view.add(texts) + len(step.gone)
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
        built = self._makers.bases.take()
        if built is None:
            return False
        _, lexical = self._opened_views()
        try:
            self._views = (VectorView(self._dimension, built), lexical)
        except ValueError as error:
            self._files.dense.discard(built, str(error))
            return False
        except FileNotFoundError:  # another process wrote a newer one and tidied up; ours serves on
            return False
        return True

    def _take_new_words(self) -> bool:
        """Serve from words that were written anew; `_level` brings them up to what was applied meanwhile."""
        words = self._makers.words.take()
        if words is None:
            return False
        self._makers.await_sealer()
        dense, before = self._opened_views()
        self._views = (dense, words)
        before.close()
        return True

    # Snapshots

    def _compact_if_due(self) -> None:
        dense, lexical = self._opened_views()
        if not self._makers.sealing:
            self._lexical_changed += self._makers.owed()
            if self._lexical_changed > self._limits.delta:
                self._seal(lexical)
        if self._in_table:
            return
        due = dense.delta_rows > self._limits.room(dense.base_rows)
        due |= dense.dead_rows > max(WORTH_KEEPING, DEAD_SHARE * dense.base_rows)
        due |= dense.kind not in ("empty", self._limits.kind(dense.base_rows))  # the limits were set anew
        if due:
            self._makers.start_base()

    def _seal(self, lexical: LexicalView) -> None:
        if self._makers.start_sealing(lexical, self._lexical_changed):
            self._lexical_changed = 0

    def _write_lexical(self) -> Snapshot:
        self._makers.await_sealer()
        with disk_errors_told(self._folder):
            written = self._files.write_lexical(self._opened_views()[1])
        self._lexical_changed = 0
        self._makers.owed()
        return written
