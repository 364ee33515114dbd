"""The tokenizer of an embedding model, never truncating. Knows no vectors and no chunks."""

import logging
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from tokenizers import Tokenizer

from index.errors import EmbedderUnavailable

PIECE_CHARACTERS = 100_000  # longer texts are tokenised in pieces cut at line ends, to bound memory

logger = logging.getLogger(__name__)


class Tokens:
    """Thread-safe. `content_limit` is how many content tokens fit beside the special ones."""

    def __init__(self, folder: Path, max_tokens: int) -> None:
        try:
            self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        except Exception as error:  # the library raises the bare class
            raise EmbedderUnavailable(
                f"{folder / 'tokenizer.json'} cannot be read ({error}); copy the model again"
            ) from error
        # The file may ask for truncation or padding (the default model asks for 128): both would lose or invent text.
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._specials = int(self._tokenizer.num_special_tokens_to_add(is_pair=False))
        self.content_limit = max_tokens - self._specials

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids with special tokens. Raises ValueError for a text beyond the limit."""
        rows = [encoding.ids for encoding in self._tokenizer.encode_batch_fast(list(texts))]
        limit = self.content_limit + self._specials
        for position, row in enumerate(rows):
            if len(row) > limit:
                raise ValueError(
                    f"text {position} has {len(row) - self._specials} tokens but this model reads "
                    f"{self.content_limit}; split it first"
                )
        return rows

    def encode_query(self, text: str) -> list[int]:
        """Token ids with special tokens; the end of a longer text is left out."""
        ids: list[int] = self._tokenizer.encode(text).ids
        excess = len(ids) - self._specials - self.content_limit
        if excess <= 0:
            return ids
        logger.debug(
            "a question has %d tokens more than the %d the model reads; its end is left out", excess, self.content_limit
        )
        # Cutting the text, not the ids, keeps whatever special tokens the model puts at the end.
        end = self.offsets(text)[self.content_limit - 1][1]
        cut: list[int] = self._tokenizer.encode(text[:end]).ids
        return cut[: self.content_limit + self._specials]

    def offsets(self, text: str) -> list[tuple[int, int]]:
        """Character spans of the content tokens of the whole text."""
        spans: list[tuple[int, int]] = []
        starts = _pieces(text)
        pieces = [text[start:end] for start, end in pairwise(starts)]
        for start, encoding in zip(
            starts, self._tokenizer.encode_batch(pieces, add_special_tokens=False), strict=False
        ):
            spans.extend(encoding.offsets if start == 0 else [(start + s, start + e) for s, e in encoding.offsets])
        return spans

    def count(self, text: str) -> int:
        """How many content tokens the whole text has."""
        starts = _pieces(text)
        pieces = [text[start:end] for start, end in pairwise(starts)]
        return sum(len(e.ids) for e in self._tokenizer.encode_batch_fast(pieces, add_special_tokens=False))


def _pieces(text: str) -> list[int]:
    """Borders of the pieces, first 0 and last the length; every inner border follows a line end where there is one."""
    borders = [0]
    while len(text) - borders[-1] > PIECE_CHARACTERS:
        limit = borders[-1] + PIECE_CHARACTERS
        end = text.rfind("\n", borders[-1], limit) + 1
        if end <= borders[-1]:
            end = text.rfind(" ", borders[-1] + 1, limit)
        borders.append(end if end > borders[-1] else limit)
    return [*borders, len(text)]
