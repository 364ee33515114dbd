"""The one table from error class to HTTP status, and problem documents (RFC 9457). Knows no route.

To add an error class, add its row here; a test walks the error tree and fails without it.
"""

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException

from index import errors as corpus
from index.errors import FootnoteError
from ingest import errors as ingest
from rag import errors as rag
from rag.access import errors as access

logger = logging.getLogger(__name__)

MEDIA_TYPE: Final = "application/problem+json"
TYPE_PREFIX: Final = "https://footnote.invalid/problems/"
_RETRY_SECONDS: Final = 5.0  # for errors that pass, when they do not say themselves when


@dataclass(frozen=True, slots=True)
class Row:
    """How one class of errors is told to a client."""

    status: int
    slug: str
    title: str


TABLE: Final[Mapping[type[FootnoteError], Row]] = {
    FootnoteError: Row(500, "internal", "Something went wrong"),
    corpus.CorpusError: Row(500, "corpus", "The corpus cannot be used"),
    corpus.NoSuchCollection: Row(404, "no-such-collection", "No such collection"),
    corpus.NoSuchDocument: Row(404, "no-such-document", "No such document"),
    corpus.CollectionExists: Row(409, "collection-exists", "The collection exists already"),
    corpus.BadCollection: Row(422, "bad-collection", "The collection is malformed"),
    corpus.BadCursor: Row(422, "bad-cursor", "The cursor is not one of this list"),
    corpus.BadFilter: Row(422, "bad-filter", "The filter is malformed"),
    corpus.DatabaseUnusable: Row(503, "database-unusable", "The database cannot be used"),
    corpus.DatabaseTooNew: Row(503, "database-too-new", "The database is newer than this version"),
    corpus.ViewsUnwritable: Row(507, "views-unwritable", "The index cannot be written"),
    corpus.EmbedderMismatch: Row(503, "embedder-mismatch", "Vectors of another model"),
    corpus.GenerationConflict: Row(409, "generation-conflict", "Another change of the embedding model is in the way"),
    corpus.EmbedderUnavailable: Row(503, "embedder-unavailable", "The embedding model cannot be loaded"),
    corpus.RerankerUnavailable: Row(503, "reranker-unavailable", "The reranking model cannot be loaded"),
    ingest.IngestError: Row(500, "ingest", "The upload cannot be taken in"),
    ingest.UnreadableDocument: Row(422, "unreadable-document", "The document cannot be read"),
    ingest.EmptyFile: Row(422, "empty-file", "The file is empty"),
    ingest.EncryptedDocument: Row(422, "encrypted-document", "The document is encrypted"),
    ingest.NoTextFound: Row(422, "no-text-found", "The document holds no text"),
    ingest.WrongType: Row(415, "wrong-type", "The type of the file is not supported"),
    ingest.BrokenDocument: Row(422, "broken-document", "The document is damaged"),
    ingest.ParserLimit: Row(422, "parser-limit", "The document exceeds the parser's limits"),
    ingest.NoSuchJob: Row(404, "no-such-job", "No such job"),
    ingest.NoSuchPage: Row(404, "no-such-page", "No such page"),
    ingest.JobNotRetryable: Row(409, "job-not-retryable", "The job is in another state"),
    ingest.SyncNotConfirmed: Row(409, "sync-not-confirmed", "The difference has changed"),
    ingest.SourceError: Row(422, "source", "The source cannot be read"),
    ingest.SourceRefused: Row(422, "source-refused", "The source may not be read"),
    ingest.SourceGone: Row(422, "source-gone", "The page is gone"),
    ingest.SourceUnreachable: Row(502, "source-unreachable", "The source does not answer"),
    ingest.UploadTooLarge: Row(413, "upload-too-large", "The upload is too large"),
    ingest.StorageFull: Row(507, "storage-full", "There is no room left"),
    rag.AnswerError: Row(500, "answer", "The question cannot be answered"),
    rag.BadRequest: Row(422, "bad-request", "The request is malformed"),
    rag.NoSuchConversation: Row(404, "no-such-conversation", "No such conversation"),
    rag.NoSuchAnswer: Row(404, "no-such-answer", "No such answer"),
    rag.NoSuchFeedback: Row(404, "no-such-feedback", "No such feedback"),
    rag.NoSuchModel: Row(404, "no-such-model", "No such model"),
    rag.ModelUnavailable: Row(503, "model-unavailable", "The model is not available"),
    rag.ContextTooLong: Row(422, "context-too-long", "The prompt is too long for the model"),
    rag.QueueFull: Row(503, "queue-full", "Too many questions are waiting"),
    rag.EgressDenied: Row(403, "egress-denied", "The text may not leave this site"),
    rag.GenerationFailed: Row(502, "generation-failed", "The model failed"),
    access.AccessError: Row(500, "access", "Access cannot be decided"),
    access.NotSignedIn: Row(401, "not-signed-in", "Sign in first"),
    access.SignInFailed: Row(401, "sign-in-failed", "Signing in failed"),
    access.SignOnFailed: Row(401, "sign-on-failed", "Signing in at the provider failed"),
    access.CodeWanted: Row(401, "code-wanted", "A code is needed"),
    access.NotAllowed: Row(403, "not-allowed", "This is not yours to do"),
    access.ForgedRequest: Row(403, "forged-request", "The request did not come from our page"),
    access.TooMany: Row(429, "too-many", "Too many requests"),
    access.TooSlow: Row(408, "too-slow", "The request came too slowly"),
    access.NoSuchPerson: Row(404, "no-such-person", "No such person"),
    access.NoSuchGroup: Row(404, "no-such-group", "No such group"),
    access.NoSuchGrant: Row(404, "no-such-grant", "No such grant"),
    access.NoSuchKey: Row(404, "no-such-key", "No such key"),
    access.NameTaken: Row(409, "name-taken", "The name is taken"),
    access.WeakPassword: Row(422, "weak-password", "The password is too short or too long"),
    access.LastOwner: Row(409, "last-owner", "The last owner stays"),
    access.BadAccess: Row(422, "bad-access", "A role, level, scope or name is malformed"),
    access.AuditBroken: Row(409, "audit-broken", "The audit log was altered"),
    rag.NotLoopback: Row(500, "not-loopback", "Accounts are needed to serve others"),
    rag.ServiceError: Row(500, "service", "The service cannot run"),
    rag.AddressInUse: Row(500, "address-in-use", "The address is in use"),
    rag.BackupUnusable: Row(500, "backup-unusable", "The backup cannot be used"),
    rag.DataFolderUnusable: Row(503, "data-folder-unusable", "The data folder cannot be used"),
    rag.DataFolderInUse: Row(503, "data-folder-in-use", "The data folder is in use"),
    rag.SettingsError: Row(422, "settings", "A setting is malformed"),
}


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem document and the headers that go with it."""

    status: int
    slug: str
    title: str
    detail: str
    instance: str
    errors: tuple[Mapping[str, str], ...] = ()  # {pointer, detail} each, for 422
    retry_after: int | None = None  # seconds

    def body(self) -> dict[str, Any]:
        """The JSON object of `application/problem+json`."""
        document: dict[str, Any] = {
            "type": TYPE_PREFIX + self.slug,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "instance": self.instance,
        }
        if self.errors:
            document["errors"] = list(self.errors)
        if self.retry_after is not None:
            document["retry_after"] = self.retry_after
        return document

    def headers(self) -> dict[str, str]:
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        return {**headers, "WWW-Authenticate": "Bearer"} if self.status == HTTPStatus.UNAUTHORIZED else headers


def row_for(error_class: type[BaseException]) -> Row:
    """The row of the class itself, or of its nearest ancestor that has one."""
    for ancestor in error_class.__mro__:
        row = TABLE.get(ancestor)
        if row is not None:
            return row
    return TABLE[FootnoteError]


def problem_for(error: BaseException, instance: str) -> Problem:
    """What a client is told about any exception. What is not ours is told without its text, and logged."""
    if isinstance(error, FootnoteError):
        row = row_for(type(error))
        retry_after = _retry_after(error, row.status)
        if row.status >= 500 and row.status != HTTPStatus.SERVICE_UNAVAILABLE:
            logger.error("%s: %s", type(error).__name__, error)
        return Problem(row.status, row.slug, row.title, str(error), instance, retry_after=retry_after)
    if isinstance(error, ValidationException):
        errors = tuple(_field_errors(error))
        return Problem(422, "validation", "The request is malformed", _summary(errors, error), instance, errors)
    if isinstance(error, HTTPException):
        phrase = HTTPStatus(error.status_code).phrase
        slug = phrase.lower().replace(" ", "-").replace("'", "")
        if error.status_code >= 500:
            logger.error("%s", phrase, exc_info=error)
            return Problem(error.status_code, slug, phrase, "The server failed; its log says why.", instance)
        return Problem(error.status_code, slug, phrase, _http_detail(error), instance)
    logger.error("unexpected error", exc_info=error)
    row = TABLE[FootnoteError]
    return Problem(row.status, row.slug, row.title, "The server failed; its log says why.", instance)


def problem_response(request: Request[Any, Any, Any], error: Exception) -> Response[dict[str, Any]]:
    """The exception handler of `/api` and everything without a form of its own."""
    return told(problem_for(error, request.scope["path"]))


def told(problem: Problem) -> Response[dict[str, Any]]:
    """A problem as it is sent."""
    return Response(problem.body(), status_code=problem.status, media_type=MEDIA_TYPE, headers=problem.headers())


def _retry_after(error: FootnoteError, status: int) -> int | None:
    if isinstance(error, rag.QueueFull | access.TooMany):
        return max(1, math.ceil(error.retry_after))
    return math.ceil(_RETRY_SECONDS) if status in (429, 503) else None


def _http_detail(error: HTTPException) -> str:
    match error.status_code:
        case 404:
            return "Nothing is at this address; /api/docs lists what there is."
        case 405:
            return "This address does not know that method; /api/docs lists what there is."
        case 413:
            return "The body is larger than this address takes."
        case _:
            return error.detail


def _field_errors(error: ValidationException) -> Sequence[Mapping[str, str]]:
    found = error.extra if isinstance(error.extra, list) else []
    return [{"pointer": _pointer(item), "detail": str(item.get("message", error.detail))} for item in found]


def _pointer(item: Mapping[str, Any]) -> str:
    """A JSON pointer into the body (`#/question`), or the name of the parameter."""
    key = str(item.get("key", ""))
    source = item.get("source", "body")
    if key == "data":
        return "#"
    where = "#/" if str(getattr(source, "value", source)) == "body" else ""
    return where + key.replace(".", "/").replace("[", "/").replace("]", "")


def _summary(errors: Sequence[Mapping[str, str]], error: ValidationException) -> str:
    if not errors:
        return error.detail
    return "; ".join(f"{item['pointer']}: {item['detail']}" for item in errors)
