"""What can be wrong with an evaluation. `eval/web_room.py` says how HTTP tells it, since `rag` knows no evaluation."""


class EvaluationError(Exception):
    """`str(error)` is one line fit for a person: what is so, what was wanted, what to do."""


class DatasetUnreadable(EvaluationError):
    """A data set or suite is missing or malformed."""


class NothingToAsk(EvaluationError):
    """The suite and the options leave no question, or no collection to ask."""


class NoSuchRun(EvaluationError):
    """No run has this id."""


class NoSuchSuite(EvaluationError):
    """No suite has this id or name."""


class NoSuchCase(EvaluationError):
    """The suite has no such case."""


class SuiteTaken(EvaluationError):
    """Another suite has this name."""


class CaseTaken(EvaluationError):
    """The suite has a case of this id, or is full."""


class RunBusy(EvaluationError):
    """The service runs one suite at a time, and one is running."""


class Regression(EvaluationError):
    """A run is worse than its baseline beyond noise."""


class TextWouldLeave(EvaluationError):
    """A remote model would read the corpus, and nobody has said that it may."""
