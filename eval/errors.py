"""What can be wrong with an evaluation. These never reach HTTP, so they stand outside the tree of `FootnoteError`."""


class EvaluationError(Exception):
    """`str(error)` is one line fit for a person: what is so, what was wanted, what to do."""


class DatasetUnreadable(EvaluationError):
    """A data set or suite is missing or malformed."""


class NothingToAsk(EvaluationError):
    """The suite and the options leave no question, or no collection to ask."""


class NoSuchRun(EvaluationError):
    """No run has this id."""


class Regression(EvaluationError):
    """A run is worse than its baseline beyond noise."""


class TextWouldLeave(EvaluationError):
    """A remote model would read the corpus, and nobody has said that it may."""
