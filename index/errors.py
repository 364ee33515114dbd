"""The root of the error tree and the errors of the corpus. Knows no HTTP status: one table in `rag/api` maps classes.

FootnoteError
├── CorpusError                 (here)
│   ├── NoSuchCollection
│   ├── NoSuchDocument
│   ├── CollectionExists
│   ├── BadCollection           a collection's name or egress rule is malformed
│   ├── BadFilter
│   ├── BadCursor               a list's cursor is not one that we gave out
│   ├── DatabaseUnusable        the file or folder cannot be read or written
│   ├── DatabaseTooNew          written by a later version of Footnote
│   ├── ViewsUnwritable         the disk refuses what faiss and tantivy write
│   ├── EmbedderMismatch        vectors on disk come from another model
│   ├── GenerationConflict      another change of the embedding model stands in the way
│   ├── EmbedderUnavailable     the weights cannot be loaded
│   └── RerankerUnavailable     nor those of the reranker
├── IngestError                 (ingest/errors.py)
└── AnswerError                 (rag/errors.py)

Each message says what is so, what was wanted and what to do, in one line.
"""


class FootnoteError(Exception):
    """Anything that Footnote itself reports. `str(error)` is one line fit for a person."""


class CorpusError(FootnoteError):
    """Something about collections, documents, chunks or their views."""


class NoSuchCollection(CorpusError):
    """No collection has this name or id."""


class NoSuchDocument(CorpusError):
    """No document has this id (never was, or was deleted)."""


class CollectionExists(CorpusError):
    """A collection of this name is there already."""


class BadCollection(CorpusError):
    """A collection's name or egress rule is malformed."""


class BadFilter(CorpusError):
    """A metadata filter is malformed."""


class BadCursor(CorpusError):
    """A list's cursor is not one that we gave out."""


class DatabaseUnusable(CorpusError):
    """The database cannot be opened, read or written."""


class DatabaseTooNew(CorpusError):
    """The database was migrated by a later version of Footnote."""


class ViewsUnwritable(CorpusError):
    """The files of the views cannot be written: a full disk, or a folder that may not be written."""


class EmbedderMismatch(CorpusError):
    """Stored vectors and the configured embedder have different stamps."""


class GenerationConflict(CorpusError):
    """Another change of the embedding model stands in the way, or there is none to undo."""


class EmbedderUnavailable(CorpusError):
    """The embedding model cannot be loaded."""


class RerankerUnavailable(CorpusError):
    """The model that puts passages in order cannot be loaded."""
