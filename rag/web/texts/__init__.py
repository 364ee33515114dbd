"""Every English word of the pages, in one place. Knows no template; `{name}` marks what is filled in.

Templates call `t("key")`, modules call `t("key", {name: value})`. A test finds keys that are missing or unused.
"""

from collections.abc import Mapping
from typing import Final

from rag.web.texts import accounts, administration, asking, corpus, evaluation, frame

ROOMS: Final = (frame, asking, corpus, accounts, administration, evaluation)
TEXTS: Mapping[str, str] = {key: words for room in ROOMS for key, words in room.TEXTS.items()}


def text(key: str, **values: object) -> str:
    """The text under `key` with its places filled. Raises KeyError for an unknown key or a missing value."""
    return TEXTS[key].format(**values)
