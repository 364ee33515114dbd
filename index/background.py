"""What is made of the views in threads of its own: a new base, a snapshot of the words, words written anew.

A disk that refuses costs a line of the log and a later attempt; the views serve without a snapshot. Knows no moment.
"""

import logging
import os
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from index.database import Database
from index.errors import CorpusError
from index.follow import count_vectors, position, read_texts, read_vectors, with_rests
from index.lexical import LexicalView
from index.snapshot import Snapshot
from index.vector_base import Limits
from index.vectors import VectorView
from index.view_files import ViewFiles, disk_errors_told

T = TypeVar("T")

RETRY_SECONDS = 60.0  # between attempts to write a snapshot after the disk refused one

_log = logging.getLogger(__name__)


class _Closing(Exception):
    """Whoever wanted it wants it no more."""


class Background(Generic[T]):
    """One thing at a time that a thread makes. `start` and `take` are for one thread at a time, the rest for any."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._thread: threading.Thread | None = None
        self._made: T | None = None

    @property
    def busy(self) -> bool:
        """Whether something is being made."""
        return self._thread is not None and self._thread.is_alive()

    def start(self, make: Callable[[], T | None]) -> None:
        """Make something, None being nothing, unless something is being made or waits to be taken."""

        def run() -> None:
            self._made = make()

        if not self.busy and self._made is None:
            self._thread = threading.Thread(target=run, name=self._name, daemon=True)
            self._thread.start()

    def take(self) -> T | None:
        """What was made; None if nothing was, or if it was taken."""
        made, self._made = self._made, None
        return made

    def put(self, made: T) -> None:
        """Let this be what is taken next."""
        self._made = made

    def wait(self) -> None:
        """Until nothing is being made."""
        if self._thread is not None:
            self._thread.join()


class Makers:
    """Makes whole views and their snapshots from SQL. `attempt` and the fields count and space out what failed."""

    def __init__(self, database: Database, stamp: str, dimension: int, limits: Limits, files: ViewFiles) -> None:
        self._database = database
        self._stamp = stamp
        self._dimension = dimension
        self._limits = limits
        self._files = files
        self.bases = Background[Snapshot]("footnote-base")
        self.words = Background[LexicalView]("footnote-words-anew")
        self._sealer = Background[None]("footnote-words")
        self._unsealed = 0  # changed chunks of a snapshot that could not be written
        self._closing = threading.Event()
        self._not_before = 0.0  # monotonic seconds: no snapshot is tried earlier
        self.failures = 0  # snapshots that could not be written

    @property
    def resting(self) -> bool:
        """Whether the disk refused a snapshot a moment ago."""
        return time.monotonic() < self._not_before

    @property
    def sealing(self) -> bool:
        """Whether a snapshot of the words is being written."""
        return self._sealer.busy

    def dense(self) -> VectorView:
        """The vectors of SQL: as a base if they are many and the disk lets us, or in memory."""
        with self._database.read() as session:
            rows = count_vectors(session, self._stamp)
        if rows > self._limits.room(0):
            built = self.attempt(self.write_base)
            if built is not None:
                return VectorView(self._dimension, built)
        view = VectorView(self._dimension)
        with self._database.read() as session:
            seq, _ = position(session)
            for part in read_vectors(session, self._stamp):
                view.add(part)
            view.applied_seq = view.begun_seq = seq
        return view

    def lexical(self, *, beside_questions: bool = False) -> tuple[LexicalView, int]:
        """The words of SQL, and of how many chunks. Raises ViewsUnwritable.

        Beside questions half of the time is left to them, and closing ends it with _Closing.
        """
        with disk_errors_told(self._files.folder), self._database.read() as session:
            view = LexicalView(self._files.folder)
            try:
                seq, _ = position(session)
                texts = read_texts(session)
                count = view.add(with_rests(texts, self._equal_rests()) if beside_questions else texts)
                view.commit(seq)
            except BaseException:
                view.close()
                raise
        return view, count

    def write_base(self, threads: int = 0) -> Snapshot:
        """A base of all vectors on disk. Raises ViewsUnwritable."""
        with disk_errors_told(self._files.folder):
            return self._files.write_base(self._dimension, self._limits, threads)

    def start_base(self) -> None:
        """Build a base, unless one is being built; half of the cores are left to questions, however long it takes."""
        threads = max(1, (os.cpu_count() or 2) // 2)
        self.bases.start(lambda: self.attempt(lambda: self.write_base(threads)))

    def start_words(self) -> None:
        """Write the words anew, unless that is under way."""
        self.words.start(lambda: self.attempt(self._words_anew))

    def start_sealing(self, view: LexicalView, changed: int) -> bool:
        """Write a snapshot of the words as they are now: checksums take a second per gigabyte. Whether it began.

        `changed` chunks are owed again, by `owed`, if that fails.
        """
        if self._sealer.busy:
            return False

        def pinned() -> Callable[[], Snapshot]:
            with disk_errors_told(self._files.folder):
                return self._files.pin_lexical(view)

        seal = self.attempt(pinned)
        if seal is None:
            return False

        def run() -> None:
            if self.attempt(seal) is None:
                self._unsealed += changed

        self._sealer.start(run)
        return True

    def owed(self) -> int:
        """Changed chunks of snapshots that failed; asked once."""
        owed, self._unsealed = self._unsealed, 0
        return owed

    def await_sealer(self) -> None:
        """Its files lie in the work folder of the view, and the older of two snapshots might be the one kept."""
        self._sealer.wait()

    def stop(self) -> None:
        """Wait for what is being made, which ends soon."""
        self._closing.set()
        self.bases.wait()
        self.words.wait()

    def attempt(self, write: Callable[[], T | None]) -> T | None:
        """Write a snapshot if the disk lets us."""
        try:
            return write()
        except (OSError, RuntimeError, ValueError, SQLAlchemyError, CorpusError) as error:
            self.failures += 1
            self._not_before = time.monotonic() + RETRY_SECONDS
            _log.warning("a snapshot of a view could not be written; trying again later: %s", error)
            return None

    def _equal_rests(self) -> Callable[[], None]:
        """Rests as long as what was done since the last one; raises _Closing when nobody wants it any more."""
        began = time.monotonic()

        def rest() -> None:
            nonlocal began
            if self._closing.wait(time.monotonic() - began):
                raise _Closing
            began = time.monotonic()

        return rest

    def _words_anew(self) -> LexicalView | None:
        try:
            return self.lexical(beside_questions=True)[0]
        except _Closing:
            return None
