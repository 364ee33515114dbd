"""Why a document could not be taken in. Knows no HTTP status and no job states.

IngestError
├── UnreadableDocument          the bytes cannot become text; trying again cannot help
│   ├── EmptyFile
│   ├── EncryptedDocument
│   ├── NoTextFound             for example a scanned PDF without a text layer
│   ├── WrongType               the content is not what the name says, or of no known type
│   ├── BrokenDocument          damaged, truncated, or refused by its parser
│   └── ParserLimit             too large, too slow or too deep for the sandbox
├── NoSuchJob
├── NoSuchPage                  a document has no such page, or none that can be shown as a picture
├── JobNotRetryable
├── UploadTooLarge
├── SyncNotConfirmed            the source or the collection changed since the difference was shown
├── SourceError                 a folder or a page of the web that documents come from
│   ├── SourceRefused           it may not be read: not allowed, not public, too large, no text
│   ├── SourceGone              the page does not exist any more
│   └── SourceUnreachable       it cannot be read now; later it may
└── StorageFull                 the disk refused the bytes; nothing was acknowledged
"""

from index.errors import FootnoteError


class IngestError(FootnoteError):
    """Something about uploads, parsing or jobs."""


class UnreadableDocument(IngestError):
    """The bytes cannot become a document; a repeated attempt would end the same way."""


class EmptyFile(UnreadableDocument):
    """The file has no bytes, or no content inside its container."""


class EncryptedDocument(UnreadableDocument):
    """The document needs a password."""


class NoTextFound(UnreadableDocument):
    """The document opened, yet holds no text."""


class WrongType(UnreadableDocument):
    """The content is of another type than the name says, or of no supported type."""


class BrokenDocument(UnreadableDocument):
    """The document is damaged."""


class ParserLimit(UnreadableDocument):
    """Parsing needed more memory, time or output than the limits allow."""


class NoSuchJob(IngestError):
    """No job or batch has this id."""


class JobNotRetryable(IngestError):
    """The job is not in a state from which it can be tried again or cancelled."""


class SyncNotConfirmed(IngestError):
    """The difference is not the one that was confirmed."""


class SourceError(IngestError):
    """A source of documents cannot be read."""


class SourceRefused(SourceError):
    """The source, or what it leads to, may not be read."""


class SourceGone(SourceError):
    """The page does not exist any more."""


class SourceUnreachable(SourceError):
    """The source does not answer as it should; later it may."""


class UploadTooLarge(IngestError):
    """The upload is larger than the configured limit."""


class StorageFull(IngestError):
    """There was no room for the bytes."""


class NoSuchPage(IngestError):
    """A document has no page of this number, or its pages have no picture."""
