"""The verifier's figures, with a verifier that is known."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from eval.datasets import Claim, read_claims
from eval.errors import DatasetUnreadable
from eval.hallucination import check_claims, span_f1, summarise_claims
from rag.verify import Support


class WordVerifier:
    """Supported as far as the words stand in the evidence."""

    def support(self, sentence: str, evidence: Sequence[str], question: str = "") -> Support:
        words = sentence.lower().strip(".").split()
        held = " ".join(evidence).lower().strip(".").split()
        return Support(sum(word in held for word in words) / len(words))


CONTEXT = "the hub is blue. it weighs two kilos."
CLAIMS = [
    Claim("1", CONTEXT, "The hub is blue.", hallucinated=False),
    Claim("2", CONTEXT, "The hub is blue. Everyone loves yellow hamsters.", hallucinated=True, spans=((17, 48),)),
    Claim("3", CONTEXT, "Nobody sells green bananas.", hallucinated=True),
    Claim("4", CONTEXT, "it weighs two kilos.", hallucinated=False, spans=()),
]


def test_figures_of_a_perfect_verifier() -> None:
    heard: list[int] = []
    found = check_claims(WordVerifier(), CLAIMS, 0.5, heard.append)
    figures = summarise_claims(CLAIMS, found, 0.5)
    assert sum(heard) == figures["cases"] == 4
    names = ("auroc", "balanced_accuracy", "precision", "recall", "f1", "span_f1")
    assert [figures[name] for name in names] == [1.0] * 6
    assert figures["hallucinated"] == 2
    assert figures["ms_per_case_p50"] > 0


def test_a_verifier_that_trusts_everything_is_no_better_than_chance() -> None:
    found = check_claims(WordVerifier(), CLAIMS, -1.0)
    figures = summarise_claims(CLAIMS, found, -1.0)
    assert (figures["recall"], figures["precision"], figures["f1"], figures["balanced_accuracy"]) == (0, 0, 0, 0.5)


def test_the_weakest_sentence_decides_and_half_found_spans_count_half() -> None:
    found = check_claims(WordVerifier(), CLAIMS, 0.5)
    assert found["2"].score == pytest.approx(1.0)
    wide = Claim("2", CONTEXT, CLAIMS[1].answer, hallucinated=True, spans=((0, 48),))
    assert 0.7 < span_f1(wide, found["2"]) < 0.8


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ({"context": "c", "answer": "a"}, "lacks hallucinated"),
        ({"context": "c", "answer": "a", "hallucinated": 1}, "true or false"),
    ],
)
def test_a_bad_row_is_one_clear_line(tmp_path: Path, row: dict[str, Any], complaint: str) -> None:
    path = tmp_path / "claims.jsonl"
    path.write_text(json.dumps(row) + "\n")
    with pytest.raises(DatasetUnreadable, match=complaint):
        read_claims(path)


def test_claims_are_read_evenly(tmp_path: Path) -> None:
    path = tmp_path / "claims.jsonl"
    rows = [
        {"context": "c", "answer": str(n), "hallucinated": n % 2 == 0, "spans": [{"start": 0, "end": 1}]}
        for n in range(9)
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    claims = read_claims(path, 3)
    assert [claim.answer for claim in claims] == ["0", "3", "6"]
    assert claims[0].spans == ((0, 1),)
