"""Check a whole text against the texts it should rest on, sentence by sentence. Knows no answer, no stream, no SQL."""

from collections.abc import Sequence
from dataclasses import dataclass

from rag.cite import sentences_of
from rag.events import VerdictName
from rag.verify import Verifier, verdict_of


@dataclass(frozen=True, slots=True)
class CheckedSpan:
    """A sentence, `text == whole[start:end]`, with its verdict and how well it is supported, 0..1."""

    start: int
    end: int
    text: str
    verdict: VerdictName
    score: float


def check_text(
    verifier: Verifier, text: str, contexts: Sequence[str], *, threshold: float, question: str = ""
) -> list[CheckedSpan]:
    """Every sentence of the text, in order, judged by itself."""
    spans = []
    for start, end in sentences_of(text):
        support = verifier.support(text[start:end], contexts, question)
        verdict, score = verdict_of(support, threshold)
        spans.append(CheckedSpan(start, end, text[start:end], verdict, score))
    return spans


def weakest(spans: Sequence[CheckedSpan]) -> float:
    """Support of the whole text: that of its weakest sentence that claims something; 1.0 without such a sentence."""
    return min((span.score for span in spans if span.verdict != "unverified"), default=1.0)
