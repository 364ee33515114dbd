"""Runs cases through the service and scores them. Knows no command line and prints nothing."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

from eval.asking import Asked, ask_all
from eval.datasets import Case
from eval.errors import NothingToAsk
from eval.scoring import Score, cited_spans, score, summarise
from index.catalog import Catalog
from index.errors import NoSuchDocument
from rag.answer import Ask
from rag.app import App
from rag.course import Mode
from rag.history import EVALUATION


@dataclass(frozen=True, slots=True)
class SuiteRun:
    """Every answer and its score, by case id, and the figures over all of them."""

    asked: Mapping[str, Asked]
    scores: Mapping[str, Score]
    summary: dict[str, Any]


class CatalogLibrary:
    """Names and texts of stored documents; each is read once."""

    def __init__(self, catalog: Catalog) -> None:
        @lru_cache(maxsize=4096)
        def read(document: str) -> tuple[str, str]:
            try:
                return catalog.document(document).name, catalog.document_text(document)
            except NoSuchDocument:
                return "", ""

        self._read = read

    def name(self, document: str) -> str:
        return self._read(document)[0]

    def text(self, document: str) -> str:
        return self._read(document)[1]


Keep = Callable[[Case, Score, Sequence[str]], None]


def run_cases(app: App, cases: Sequence[Case], **how: Any) -> SuiteRun:
    """`ask_cases` on an event loop of its own, for commands. Raises what it raises."""
    return asyncio.run(ask_cases(app, cases, **how))


async def ask_cases(
    app: App,
    cases: Sequence[Case],
    *,
    collection: str | None = None,
    model: str | None = None,
    mode: Mode = "auto",
    parallel: int = 1,
    threshold: float | None = None,
    asked: Callable[[int], None] = lambda _: None,
    known: Mapping[str, Score] | None = None,
    keep: Keep = lambda _case, _score, _cited: None,
    background: bool = False,
) -> SuiteRun:
    """Ask every case in its collection, or all in `collection` (name or id), and score the answers.

    In the `background` the questions go after those of people.
    `threshold` decides instead of those of settings and collections. Cases with a `known` score are not asked again.
    `keep` gets each new score with the cited texts, at once, in a thread beside the event loop.
    Raises NothingToAsk when a case names no collection and none is given; NoSuchCollection; NoSuchModel.
    """
    if model is not None:
        # An unknown model is one error at the start, not a crash of every case.
        await asyncio.to_thread(app.models.get, model)
    scores = {case.id: known[case.id] for case in cases if known and case.id in known}
    asked(len(scores))
    left = [case for case in cases if case.id not in scores]
    plain = await asyncio.to_thread(_asks, app, left, collection, model, mode)
    asks = [replace(ask, evidence_threshold=threshold, background=background) for ask in plain]
    library = CatalogLibrary(app.catalog)
    by_id: dict[str, Asked] = {}

    def answered(place: int, answer: Asked) -> None:
        case = left[place]
        by_id[case.id], scores[case.id] = answer, score(case, answer, library)
        keep(case, scores[case.id], [span.text for span in cited_spans(answer, library)])
        asked(1)

    await ask_all(app, asks, parallel=parallel, answered=answered)
    return SuiteRun(by_id, scores, await asyncio.to_thread(summarise, cases, scores))


def _asks(app: App, cases: Sequence[Case], collection: str | None, model: str | None, mode: Mode) -> list[Ask]:
    ids: dict[str, str] = {}
    asks = []
    for case in cases:
        name = collection or case.collection
        if name is None:
            raise NothingToAsk(f"case {case.id} names no collection; name one with --collection")
        if name not in ids:
            ids[name] = app.catalog.collection(name).id
        asks.append(Ask(case.question, (ids[name],), model=model, mode=mode, tenant=EVALUATION))
    return asks


def conditions(app: App, *, model: str | None, mode: Mode, corpus: str) -> dict[str, Any]:
    """What figures depend on: the corpus, the settings of answering, the models and the code."""
    settings = asdict(app.settings)
    return {
        "corpus": corpus,
        "seq": app.catalog.latest_seq(),
        "model": model or app.settings.model_default,
        "mode": mode,
        "embedder": app.embedder.stamp.key,
        "reader": getattr(app.reader, "revision", ""),
        "settings": {name: settings[name] for name in sorted(settings) if name.startswith(("answer_", "index_"))},
        "footnote": metadata.version("footnote"),
    }


def by_tag(cases: Sequence[Case], scores: Mapping[str, Score]) -> dict[str, dict[str, float]]:
    """Per kind and tag: how many cases, and the share that was right."""
    groups: dict[str, list[str]] = {}
    for case in cases:
        for tag in (case.kind, *case.tags):
            groups.setdefault(tag, []).append(case.id)
    return {
        tag: {"questions": len(ids), "right": sum(scores[id_].right for id_ in ids) / len(ids)}
        for tag, ids in groups.items()
    }


def write_cases(path: Path, cases: Sequence[Case], run: SuiteRun) -> None:
    """One JSON object per case: the question, what was said, where it was cited from, and the score."""
    with path.open("w", encoding="utf-8") as file:
        for case in cases:
            answer = run.asked.get(case.id) or Asked(case.question)  # a case kept from before has its score only
            row = {
                "id": case.id,
                "question": case.question,
                "kind": case.kind,
                "answers": case.answers,
                **asdict(run.scores[case.id]),
                "citations": [asdict(citation) for citation in answer.citations],
                "sources": [
                    {
                        "n": s.n,
                        "document": s.document,
                        "title": s.title,
                        "start": s.start,
                        "end": s.end,
                        "score": s.score,
                    }
                    for s in answer.sources
                ],
            }
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
