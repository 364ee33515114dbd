"""Token counts for closed models, whose tokenizers are not on this machine. Never fetches anything.

Exact for OpenAI's models if tiktoken's file of the encoding is already in its cache folder; otherwise an upper bound:
these models' tokenizers work on UTF-8 bytes, so a text never has more tokens than bytes.
"""

import hashlib
import logging
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import tiktoken

from rag.llm.generator import Message

logger = logging.getLogger(__name__)

MESSAGE_TOKENS = 8  # for a message's role and borders; 4 are documented, the rest is margin
_FOLDER = "https://openaipublic.blob.core.windows.net/encodings/"
_SHA256 = {
    "cl100k_base": "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
    "o200k_base": "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
}


class TokenEstimate:
    """Counts for one closed model. `exact` says whether the text of messages is counted or bounded from above."""

    def __init__(self, model: str = "") -> None:
        self._encoding = cached_encoding(model)

    @property
    def exact(self) -> bool:
        return self._encoding is not None

    def count(self, messages: Sequence[Message]) -> int:
        """Tokens of the prompt these messages make, or more; never fewer."""
        return MESSAGE_TOKENS * (len(messages) + 1) + sum(self.text(message.content) for message in messages)

    def text(self, text: str) -> int:
        if self._encoding is None:
            return len(text.encode("utf-8", "replace"))
        return len(self._encoding.encode(text, disallowed_special=()))


def cached_encoding(model: str) -> tiktoken.Encoding | None:
    """The encoding of an OpenAI model if tiktoken can load it without the network, else None.

    tiktoken downloads what is missing or damaged, so both are looked for before it is called.
    """
    try:
        name = tiktoken.encoding_name_for_model(model)
    except KeyError:
        return None
    if name not in _SHA256:
        return None
    file = cache_folder() / hashlib.sha1(f"{_FOLDER}{name}.tiktoken".encode(), usedforsecurity=False).hexdigest()
    if not file.is_file() or hashlib.sha256(file.read_bytes()).hexdigest() != _SHA256[name]:
        logger.info("tiktoken's encoding %s is not cached; token counts of %s are upper bounds", name, model)
        return None
    return tiktoken.get_encoding(name)


def cache_folder() -> Path:
    """Where tiktoken looks first, by its own rules."""
    named = os.environ.get("TIKTOKEN_CACHE_DIR") or os.environ.get("DATA_GYM_CACHE_DIR")
    return Path(named) if named else Path(tempfile.gettempdir()) / "data-gym-cache"
