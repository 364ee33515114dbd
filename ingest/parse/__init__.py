"""One file per file format, and the child process they run in. Knows no chunks, no SQL."""

from pathlib import Path

from ingest.document import Document
from ingest.parse.limits import ParseLimits


def parse(path: Path, name: str, *, limits: ParseLimits | None = None) -> Document:
    """Parse in this process, without the sandbox: only for files of one's own.

    `name` is what the user calls the file. Raises the UnreadableDocument classes of `ingest.errors`.
    """
    # The parsers take half a second to import, and a process that only uses the sandbox needs none of them.
    from ingest.parse.formats import parse_file

    return parse_file(path, name, limits or ParseLimits())
