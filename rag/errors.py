"""Why a question could not be answered. Knows no HTTP status: one table in `rag/api` maps classes.

AnswerError
├── BadRequest                  a field is missing or out of range
├── NoSuchConversation
├── NoSuchAnswer
├── NoSuchFeedback
├── NoSuchModel
├── ModelUnavailable            file missing, cannot be loaded, or remote end refuses
├── ContextTooLong              the prompt cannot fit the model's context
├── QueueFull                   come back after `retry_after` seconds
├── EgressDenied                the collection's rule keeps its text on this site
├── GenerationFailed            the model failed in the middle; text so far is kept
└── NotLoopback                 serving beyond this machine needs accounts
ServiceError
├── AddressInUse                the port cannot be bound
├── BackupUnusable              it is damaged, or cannot be written
├── DataFolderUnusable          it cannot be made or written
└── DataFolderInUse             another server works on it
SettingsError                   a setting is unknown or malformed
"""

from index.errors import FootnoteError


class AnswerError(FootnoteError):
    """Something about asking and answering."""


class BadRequest(AnswerError):
    """A request's field is missing, malformed or out of range."""


class NoSuchConversation(AnswerError):
    """No conversation has this id."""


class NoSuchAnswer(AnswerError):
    """No answer has this id, or its stream has been forgotten."""


class NoSuchFeedback(AnswerError):
    """Nobody said this of an answer, or it was taken back."""


class NoSuchModel(AnswerError):
    """No model has this name."""


class ModelUnavailable(AnswerError):
    """The model exists by name but cannot speak now."""


class ContextTooLong(AnswerError):
    """The prompt is longer than the model's context."""


class QueueFull(AnswerError):
    """The bounded queue has no place. `retry_after` is in seconds."""

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class EgressDenied(AnswerError):
    """The collection's egress rule forbids sending its text to a remote model."""


class GenerationFailed(AnswerError):
    """The model stopped with an error after it had begun."""


class NotLoopback(AnswerError):
    """Binding to an address other than loopback needs accounts."""


class ServiceError(FootnoteError):
    """The service cannot be started here."""


class AddressInUse(ServiceError):
    """The address and port cannot be bound."""


class BackupUnusable(ServiceError):
    """A backup cannot be made there, or is damaged, or is none."""


class DataFolderUnusable(ServiceError):
    """The data folder cannot be created or written."""


class DataFolderInUse(ServiceError):
    """Another server holds the data folder: one process owns its views and its local model."""


class SettingsError(FootnoteError):
    """A setting is unknown, malformed or out of range."""
