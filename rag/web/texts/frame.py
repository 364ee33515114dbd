"""The words around every page, and of errors. Knows no template."""

from collections.abc import Mapping

TEXTS: Mapping[str, str] = {
    # The frame
    "brand": "Footnote",
    "skip": "Skip to the content",
    "nav": "Main",
    "nav.ask": "Ask",
    "nav.history": "History",
    "nav.review": "Review",
    "nav.runs": "Evaluation",
    "nav.collections": "Collections",
    "nav.api": "API",
    "nav.admin": "Administration",
    "noscript": "This page needs JavaScript, which comes from this server only. The API works without it.",
    # Errors
    "error.home": "Back to asking",
    "error.network": "The server does not answer. Is it still running?",
    "error.unknown": "The server answered with status {status} and no explanation.",
}
