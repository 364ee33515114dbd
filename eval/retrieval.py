"""Retrieval on a public data set, through the real chunker, embedder, catalog and search. Knows no generation."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from eval.datasets import BeirSet
from eval.metrics import interval, percentile, share
from eval.ranking import documents_of_passages, score_rankings
from eval.workplace import add_texts
from index.catalog import Catalog
from index.passage import SearchMode
from rag.app import App

PASSAGES = 30  # passages asked for, so that at least ten documents remain after passages of one document are joined

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RetrievalRun:
    """Rankings per query, milliseconds per query asked (whole and by stage), and the queries that crashed."""

    rankings: dict[str, list[str]]
    milliseconds: list[float]
    stages: dict[str, list[float]]
    crashed: list[str]


def fill(app: App, data: BeirSet, ingested: Callable[[int], None] = lambda _: None, *, plain: bool = False) -> str:
    """Take the documents into a new collection; its id. With `plain` one vector stands for each document."""
    collection = app.catalog.create_collection(name="plain" if plain else "retrieval").id
    add_texts(app, collection, data.documents, ingested, plain=plain)
    return collection


def run_retrieval(
    app: App,
    data: BeirSet,
    collection: str,
    *,
    mode: SearchMode,
    exact: bool = False,
    asked: Callable[[int], None] = lambda _: None,
) -> RetrievalRun:
    """Ask every query once, one after another."""
    names = _names(app.catalog, collection)
    rankings: dict[str, list[str]] = {}
    milliseconds: list[float] = []
    stages: dict[str, list[float]] = {}
    crashed: list[str] = []
    app.searcher.search("a first question, so that none of the timed ones loads anything", collections=[collection])
    for query, text in data.queries.items():
        began = time.perf_counter()
        try:
            result = app.searcher.search(text, collections=[collection], k=PASSAGES, mode=mode, exact=exact)
        except Exception:
            # Whatever failed, the question was asked: it scores zero and is counted.
            logger.exception("query %s crashed", query)
            crashed.append(query)
            continue
        milliseconds.append((time.perf_counter() - began) * 1000)
        for stage, spent in result.ms.items():
            stages.setdefault(stage, []).append(spent)
        rankings[query] = documents_of_passages((names[p.document], p.score) for p in result.passages)
        asked(1)
    return RetrievalRun(rankings, milliseconds, stages, crashed)


def summarise_retrieval(data: BeirSet, run: RetrievalRun) -> dict[str, Any]:
    """The figures under the names of the command contract, with 95 % bootstrap intervals."""
    questions = list(data.queries)
    scores = score_rankings(run.rankings, data.judged)
    return {
        "dataset": data.name,
        "documents": len(data.documents),
        "questions": len(questions),
        "crashed": len(run.crashed),
        **{name: share(values, questions) for name, values in scores.items()},
        "ms_per_query_p50": percentile(run.milliseconds, 50),
        "ms_per_query_p95": percentile(run.milliseconds, 95),
        "stages_ms_p50": {stage: percentile(spent, 50) for stage, spent in run.stages.items()},
        "intervals": {name: interval(values, questions) for name, values in scores.items()},
    }


def _names(catalog: Catalog, collection: str) -> dict[str, str]:
    """Document id -> name, for every document of the collection."""
    names: dict[str, str] = {}
    cursor: str | None = None
    while True:
        page = catalog.documents(collection, 500, cursor)
        names |= {document.id: document.name for document in page.items}
        cursor = page.next_cursor
        if cursor is None:
            return names
