"""Spans of a reading, and what scoring and checking make of a reader."""

from collections.abc import Sequence

import numpy as np
import pytest

from index.passage import Passage
from rag.calibration import packaged
from rag.checking import check_text, weakest
from rag.evidence import FeatureJudge, FeatureScorer
from rag.reading import Reading
from rag.verify import FeatureVerifier
from tests.fakes import HashEmbedder

TEXT = "Cats sleep. Dogs bark at night. Fish swim."
EMBEDDER = HashEmbedder(256)


class PointingReader:
    """Finds one word, and supports claims that stand in the text."""

    def __init__(self, word: str) -> None:
        self._word = word

    def read(self, question: str, texts: Sequence[str]) -> list[Reading]:
        return [reading_of(text, self._word) for text in texts]

    def check(self, claim: str, texts: Sequence[str]) -> list[float]:
        return [8.0 if claim.strip(".").lower() in text.lower() else -8.0 for text in texts]


def reading_of(text: str, word: str) -> Reading:
    spans, place = [], 0
    for token in text.split():
        place = text.index(token, place)
        spans.append((place, place + len(token)))
        place += len(token)
    hit = np.array([4.0 if text[a:b].strip(".") == word else -4.0 for a, b in spans], dtype=np.float32)
    found = bool((hit > 0).any())
    return Reading(np.array(spans, dtype=np.int64).reshape(-1, 2), hit, hit, 3.0 if found else -3.0)


def test_the_best_span_lies_inside_the_characters_asked_for() -> None:
    reading = reading_of(TEXT, "bark")
    assert reading.best(0, len(TEXT)) == 8.0
    assert reading.best(12, 31) == 8.0
    assert reading.best(0, 11) == -8.0
    assert reading.best(13, 14) == -20.0


def test_a_span_never_ends_before_it_starts() -> None:
    spans = np.array([(0, 1), (2, 3)], dtype=np.int64)
    starts, ends = np.array([-5.0, 5.0], np.float32), np.array([5.0, -5.0], np.float32)
    assert Reading(spans, starts, ends, 0.0).best(0, 3) == 0.0


@pytest.mark.parametrize(("word", "best"), [("bark", "Dogs bark at night."), ("swim", "Fish swim.")])
def test_the_reader_decides_between_sentences_of_like_words(word, best) -> None:
    passage = Passage(1, "d_1", "c_1", 1, "a.txt", "A", "", None, 0, len(TEXT), TEXT, 1.0)
    reader = PointingReader(word)
    ranked = FeatureScorer(EMBEDDER, packaged("evidence", reader=True), reader).rank("Which animal?", [passage])
    assert ranked[0].text == best
    nothing = FeatureScorer(EMBEDDER, packaged("evidence", reader=True), PointingReader("none"))
    judge = FeatureJudge(packaged("decision", reader=True))
    sure = judge.judge("Which animal?", [passage], ranked).score
    assert sure > judge.judge("Which animal?", [passage], nothing.rank("Which animal?", [passage])).score


def test_a_text_is_checked_sentence_by_sentence() -> None:
    verifier = FeatureVerifier(packaged("support", reader=True), PointingReader("none"))
    spans = check_text(verifier, "Dogs bark at night. Horses eat 40 kilos of hay.", [TEXT], threshold=0.5)
    assert [span.verdict for span in spans] == ["supported", "unsupported"]
    assert [span.text for span in spans] == ["Dogs bark at night.", "Horses eat 40 kilos of hay."]
    assert weakest(spans) == spans[1].score < 0.5 < spans[0].score
    assert weakest([]) == 1.0
