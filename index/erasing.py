"""When what was deleted leaves the files: both views, their snapshots, and the pages of the database.

Nothing is urgent here: what was deleted is shown to nobody from the moment its deletion returned. So it is erased a
while later, all deletions of that while together, and afterwards twenty times as long as erasing took belongs to
questions. Knows no file format; views are made anew by `index/views.py`, pages written by `index/database.py`.
"""

import logging
import time

from sqlalchemy import func, select

from index.database import Database
from index.schema import Change, Document
from index.views import Views

RESTS = 20  # times as long as erasing took, before the next time
RETRY_SECONDS = 10.0  # while readers or writers of the database are in the way

_log = logging.getLogger(__name__)


def newest_deletion(database: Database, after: int) -> int:
    """The newest line of the log, after this one, that tells of a document which is gone; 0 if there is none."""
    there = select(Document.key).where(Document.key == Change.document).exists()
    query = select(func.max(Change.seq)).where(Change.seq > after, Change.kind == "delete", ~there)
    with database.read() as session:
        return session.scalar(query) or 0


class Eraser:
    """Erases `seconds` after a deletion; never by itself if that is 0. For one thread.

    A database file of more than `file_bytes` is not rewritten, since writers would wait too long for that.
    """

    def __init__(self, database: Database, seconds: float, file_bytes: int) -> None:
        self._database = database
        self._seconds = seconds
        self._file_bytes = file_bytes
        self._looked = 0  # the line of the log up to which deletions were looked for
        self._deleted = 0  # the newest of them
        self._erased = 0
        self._not_before = 0.0  # monotonic seconds
        self._began: float | None = None  # likewise, while something is being erased ...
        self._upto = 0  # ... up to this line

    def look(self, views: Views) -> None:
        """Take the next step, if it is time for one. To be called again and again."""
        moment = views.moment
        if self._seconds <= 0 or moment is None:
            return
        now = time.monotonic()
        if moment.applied_seq > self._looked:
            found, self._looked = newest_deletion(self._database, self._looked), moment.applied_seq
            if found and self._deleted <= self._erased:
                self._not_before = max(self._not_before, now + self._seconds)
            self._deleted = max(self._deleted, found)
        if self._deleted <= self._erased or now < self._not_before:
            return
        if self._began is None:
            self._began, self._upto = now, self._deleted
        if not views.cleanse(self._upto):
            return
        if not self._clean_pages():
            self._not_before = now + RETRY_SECONDS
            return
        took, self._began, self._erased = time.monotonic() - self._began, None, self._upto
        self._not_before = now + max(self._seconds, RESTS * took)
        _log.info("what was deleted up to line %d of the log is erased; that took %.1f s", self._upto, took)

    def _clean_pages(self) -> bool:
        """Whether the file is as free of it as it will become by itself."""
        if self._database.erased_upto() >= self._upto:
            return True
        if self._database.file_bytes() > self._file_bytes:
            return self._database.empty_log()
        return self._database.shrink(self._upto)
