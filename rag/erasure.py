"""What a deleted document may have left outside the index: stored answers, its original, pages of the database.

Finds it and takes it away. Knows no view; `index/proof.py` looks there.
"""

import mmap
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Text, cast, or_, select, update

from index.database import Database
from index.proof import Finding, deletion
from ingest.blobs import Blobs
from ingest.originals import Originals
from ingest.schema import Job
from rag.schema import Answer

ERASED = "(erased with the document that it rested on)"


def remains(database: Database, blobs: Blobs, document: str) -> Iterator[Finding]:
    """Look for what a deleted document (id) left beside the index."""
    answers = _answers(database, document)
    yield _finding("stored answers", f"{len(answers)} answers show its text" if answers else "")
    kept = _originals(database, blobs, document)
    yield _finding("original", f"{', '.join(kept)} is still stored" if kept else "")
    yield _finding("pages of the database file", unwritten_pages(database, deletion(database, document).seq))


def erase(database: Database, blobs: Blobs, document: str) -> None:
    """Take the text of a deleted document (id) out of stored answers, and remove its original.

    An answer that rested on it keeps its question; an original that another document has too stays.
    """
    for key in _answers(database, document):
        with database.write() as session:
            row = session.get_one(Answer, key)
            values = {
                "sources": [{**s, "text": ""} if s.get("document") == document else s for s in row.sources],
                "text": ERASED,
                "citations": [],
                "verdicts": [],
                "trace": {"erased": document},
            }
            session.execute(update(Answer).where(Answer.key == key).values(**values))
    Originals(database, blobs, young_seconds=0.0).remove(_originals(database, blobs, document))


def unwritten_pages(database: Database, seq: int) -> str:
    """Why pages of the database file may still hold what this line of the log says was deleted; empty if none can."""
    if not database.is_sqlite or (erased := database.erased_upto()) >= seq:
        return ""
    return f"not rewritten since: that was done up to line {erased} of the log, and this is line {seq}"


def files_with(folder: Path, phrase: str) -> list[str]:
    """The files of a data folder, converted models left out, whose bytes hold this phrase as UTF-8."""
    wanted = phrase.encode()
    return [
        str(path.relative_to(folder))
        for path in sorted(folder.rglob("*"))
        if path.relative_to(folder).parts[0] != "models" and path.is_file() and _holds(path, wanted)
    ]


def _holds(path: Path, wanted: bytes) -> bool:
    try:
        with path.open("rb") as file:
            if path.stat().st_size == 0:
                return False
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                return content.find(wanted) >= 0
    except FileNotFoundError:  # a running service removed it meanwhile
        return False


def _answers(database: Database, document: str) -> list[int]:
    shown = (cast(Answer.sources, Text), cast(Answer.trace, Text))
    erased = Answer.text == ERASED
    with database.read() as session:
        query = select(Answer.key).where(or_(*(each.contains(document) for each in shown)), ~erased)
        return list(session.scalars(query))


def _originals(database: Database, blobs: Blobs, document: str) -> list[str]:
    """Keys of stored originals that only this deleted document's uploads refer to."""
    with database.read() as session:
        keys = set(session.scalars(select(Job.blob).where(Job.document == document)))
    originals = Originals(database, blobs, young_seconds=0.0)
    return sorted(key for key in originals.unkept(keys) if blobs.holds(key))


def _finding(what: str, fault: str) -> Finding:
    return Finding("trace", what, not fault, fault or "none")
