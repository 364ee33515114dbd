"""Ranked lists against judged documents, with ir-measures. Pure; knows no search."""

from collections.abc import Iterable, Mapping, Sequence

import ir_measures
from ir_measures import RR, R, nDCG

MEASURES = {
    "ndcg@10": nDCG @ 10,
    "recall@1": R @ 1,
    "recall@3": R @ 3,
    "recall@10": R @ 10,
    "mrr@10": RR @ 10,
}


def documents_of_passages(passages: Iterable[tuple[str, float]]) -> list[str]:
    """Documents in the order of their best passage; passages are (document, score)."""
    best: dict[str, float] = {}
    for document, score in passages:
        best[document] = max(score, best.get(document, score))
    return sorted(best, key=lambda document: -best[document])


def score_rankings(
    rankings: Mapping[str, Sequence[str]], judged: Mapping[str, Mapping[str, int]]
) -> dict[str, dict[str, float]]:
    """Measure -> query -> value for every query that was judged; a query without a ranking scores zero."""
    # Scores fall with the rank, so that the measures never break a tie of ours in another order.
    run = {
        query: {document: -float(rank) for rank, document in enumerate(ranking)} for query, ranking in rankings.items()
    }
    scores: dict[str, dict[str, float]] = {name: dict.fromkeys(judged, 0.0) for name in MEASURES}
    names = {measure: name for name, measure in MEASURES.items()}
    grades = {query: dict(documents) for query, documents in judged.items()}
    for found in ir_measures.iter_calc(list(MEASURES.values()), grades, run):
        scores[names[found.measure]][found.query_id] = float(found.value)
    return scores
