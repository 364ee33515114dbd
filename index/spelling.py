"""A mistyped word of a question becomes the word of the documents that is one slip away. Pure; knows no SQL or view.

Only a word that neither the documents nor the model's vocabulary of whole words know is taken for a slip: `pasword`,
and not `trial` where the documents speak of a `trail`.
"""

import re
from collections.abc import Callable, Iterable

LEAST_LETTERS = 5  # of a word that may be a slip: shorter ones have too many neighbours
LONGEST_WORD = 30
MOST_WORDS = 3  # that are put right in one question: what differs in more is not English or not about this
_WORD = re.compile(r"[^\W\d_]+")

Neighbours = Callable[[str], Iterable[str]]


def corrected(text: str, is_known: Callable[[str], bool], beginning_with: Neighbours) -> str:
    """The text with its slips put right.

    `is_known` takes a lower-case word; `beginning_with` gives the words of the documents with these first letters,
    the most frequent first. A slip is a letter too many, too few, another one, or two that changed places; the first
    letter is taken to be right.
    """
    pieces, end, put_right = [], 0, 0
    for match in _WORD.finditer(text):
        word = match.group().lower()
        if put_right == MOST_WORDS or not LEAST_LETTERS <= len(word) <= LONGEST_WORD or is_known(word):
            continue
        meant = next((other for other in beginning_with(word[0]) if len(other) >= 4 and is_one_slip(word, other)), None)
        if meant is not None:
            pieces += [text[end : match.start()], meant]
            end, put_right = match.end(), put_right + 1
    return "".join(pieces) + text[end:]


def is_one_slip(one: str, other: str) -> bool:
    """Whether one letter added, left out or changed, or two neighbours that changed places, make one the other."""
    if abs(len(one) - len(other)) > 1 or one == other:
        return False
    same = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    if len(one) != len(other):
        longer, shorter = sorted((one, other), key=len, reverse=True)
        return longer[same + 1 :] == shorter[same:]
    changed_places = one[same : same + 2] == other[same : same + 2][::-1]
    return one[same + 1 :] == other[same + 1 :] or (changed_places and one[same + 2 :] == other[same + 2 :])
