"""Fit the weights of `rag/calibration.json`: evidence, answerability, support. Knows the forms of the training data.

Run from the project's root:  python -m bench.fit_evidence TRAIN_DATA [--write]

`TRAIN_DATA` holds `reader/*.jsonl` and `verifier/*.jsonl`; nothing of it is kept but a few numbers. Read are SQuAD 1.1
and 2.0 (articles apart from those of the evaluation), Natural Questions (oracle passages), QED, SelQA, BoolQ, FEVER,
FEVER-symmetric, FoolMeTwice, MultiNLI, citation integrity, WiCE. Every question goes through the real retrieval over
all passages of its kind, so the features are those of the running service. Half of the questions, by a hash of their
text, is fitted on; the figures come from the other half.

Lists and headings do not occur in this data: weights that only they touch stay at the prior given here by hand.
"""

import argparse
import hashlib
import json
import random
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.logistic import Row, auroc, fit
from index.catalog import Catalog, NewChunk, NewDocument
from index.database import Database
from index.embedder import Embedder, open_embedder
from index.embedder_stamp import EmbedderStamp
from index.passage import Passage
from index.schema import Base
from index.search import Searcher
from ingest.chunk import chunk_document
from ingest.document import Chunk, Document
from rag.calibration import Logistic
from rag.compose import choose_evidence, quote
from rag.evidence import Evidence, FeatureScorer, decision_features, unit_features
from rag.units import Unit
from rag.verify import premises_of, support_features
from rag.words import word_count

QUESTIONS = 1_000  # per corpus, at most
PASSAGES_HELD = 1_000  # of a corpus, at most: those of its questions and others beside them
CALIBRATION = Path("rag/calibration.json")
CLAIMS = 600  # per verifier file, at most
PASSAGES = 8
EVIDENCE_PRIOR = {
    "cosine": 5.0, "cosine_gap": 0.0, "cosine_passage": 0.0, "cosine_near": 0.0, "overlap": 1.5, "overlap_heading": 1.0,
    "overlap_passage": 0.3, "names": 0.3, "numbers": 1.0, "identifiers": 1.0, "kind_fits": 0.5, "kind_misses": -0.7,
    "fresh": 0.5, "new_names": 0.0, "short": -1.0, "length": 0.5, "how_steps": 0.8, "item": 0.0, "code": -0.7,
    "rank": 0.5,
}  # fmt: skip
DECISION_PRIOR = {
    "best": 0.6, "margin": 0.1, "cosine": 4.0, "dense": 2.0, "found_nowhere": -2.0, "found_here": 1.0,
    "found_near": 0.5, "names_here": 0.7, "kind_misses": -0.4, "agree": 0.3, "first": 0.2,
}  # fmt: skip
# Claims of the data often name what their evidence calls "he": there a missing name tells nothing. An answer's names
# stand in its evidence or its headings, so these weights are given, not fitted.
SUPPORT_FIXED = ("name_missing", "number_missing", "number_nowhere")
SUPPORT_PRIOR = {
    "cover_best": 2.0, "cover_all": 1.0, "fresh_best": 1.0, "fresh_all": 1.0, "joint": 1.0, "number_missing": -1.5,
    "number_nowhere": -1.0, "name_missing": -1.0, "negation": -1.0, "negated": 0.0, "pairs": 0.8, "cosine": 1.0,
    "cosine_best": 2.0, "length": 0.0,
}  # fmt: skip


class RememberingEmbedder:
    """Embeds every text once."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._rows: dict[str, NDArray[np.float32]] = {}

    @property
    def stamp(self) -> EmbedderStamp:
        return self._embedder.stamp

    @property
    def max_tokens(self) -> int:
        return self._embedder.max_tokens

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        new = [text for text in dict.fromkeys(texts) if text not in self._rows]
        if new:
            self._rows.update(zip(new, self._embedder.embed(new), strict=True))
        return np.stack([self._rows[text] for text in texts])

    def embed_query(self, text: str) -> NDArray[np.float32]:
        return self._embedder.embed_query(text)

    def offsets(self, text: str) -> list[tuple[int, int]]:
        return self._embedder.offsets(text)

    def count(self, text: str) -> int:
        return self._embedder.count(text)

    def close(self) -> None:
        self._embedder.close()


@dataclass(frozen=True, slots=True)
class Case:
    """A question asked of a corpus. `context` is the passage that answers; None when none does."""

    question: str
    context: str | None
    answers: tuple[str, ...]
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Looked:
    """A case after retrieval."""

    case: Case
    passages: tuple[Passage, ...]
    units: list[tuple[Unit, dict[str, float]]]


class Corpus:
    """Passages behind the real catalog and the real search, in a temporary folder."""

    def __init__(self, embedder: Embedder, contexts: Iterable[str], folder: Path) -> None:
        folder.mkdir(parents=True)
        self.embedder = embedder
        self._database = Database(f"sqlite:///{folder / 'footnote.db'}")
        Base.metadata.create_all(self._database.engine)
        catalog = Catalog(self._database)
        self._collection = catalog.create_collection("fit").id
        self.document_of: dict[str, str] = {}
        documents = [Document(f"{n}.txt", "text/plain", "", context) for n, context in enumerate(contexts)]
        chunks = [chunk_document(document, embedder, embedder.max_tokens) for document in documents]
        embedder.embed([chunk.text for parts in chunks for chunk in parts])  # at once: the rows are remembered
        for document, parts in zip(documents, chunks, strict=True):
            self._add(catalog, document, parts)
        self._search = Searcher(self._database, catalog, embedder, folder / "views")
        self._search.refresh()

    def look(self, cases: Sequence[Case]) -> list[Looked]:
        """Retrieve and compute the features of every case."""
        looked = []
        for case in cases:
            passages = self._search.search(case.question, collections=[self._collection], k=PASSAGES).passages
            looked.append(Looked(case, passages, unit_features(self.embedder, case.question, passages)))
        return looked

    def is_right(self, case: Case, document: str, text: str) -> bool:
        """Whether the text comes from the answering passage and holds an answer."""
        if case.context is None or self.document_of[case.context] != document:
            return False
        return any(answer.lower() in text.lower() for answer in case.answers)

    def close(self) -> None:
        self._search.close()
        self._database.close()

    def _add(self, catalog: Catalog, document: Document, chunks: Sequence[Chunk]) -> None:
        new = [NewChunk(c.ordinal, c.start, c.end, c.text, c.heading, c.page, c.tokens) for c in chunks]
        outcome = catalog.put_document(
            NewDocument(
                collection=self._collection,
                name=document.name,
                title="",
                media_type="text/plain",
                content_hash=hashlib.sha256(document.text.encode()).hexdigest(),
                size=len(document.text),
                text=document.text,
                pages=(),
                metadata={},
                report={},
                blob="",
                chunks=new,
                vectors=self.embedder.embed([chunk.text for chunk in new]),
                stamp=self.embedder.stamp.key,
            )
        )
        self.document_of[document.text] = outcome.document


def read(folder: Path, *names: str) -> list[dict[str, Any]]:
    """Rows of some files, in order."""
    return [json.loads(line) for name in names for line in (folder / f"{name}.jsonl").open(encoding="utf-8")]


def fitted_on(text: str) -> bool:
    """Whether this question or claim is fitted on; else it is reported on."""
    return hashlib.blake2b(text.encode(), digest_size=1).digest()[0] % 2 == 0


def corpora(folder: Path, chance: random.Random) -> dict[str, tuple[list[str], list[Case]]]:
    """Contexts and cases of each corpus. Questions of one corpus are the off-topic ones of the other."""
    squad = read(folder, "squad_dev_other_articles", "squad2_train10")
    wiki = [row for row in read(folder, "nq_oracle", "qed_dev", "selqa") if row["answers"]]
    yes_no = read(folder, "boolq")

    def cases(rows: Sequence[Mapping[str, Any]], most: int) -> list[Case]:
        chosen = chance.sample(list(rows), min(most, len(rows)))
        return [
            Case(
                r["question"],
                r["context"] if r["answerable"] else None,
                tuple(r["answers"]),
                1.0 if r["answerable"] else 0.5,
            )
            for r in chosen
        ]

    def strangers(rows: Sequence[Mapping[str, Any]], most: int) -> list[Case]:
        return [Case(row["question"], None, ()) for row in chance.sample(list(rows), min(most, len(rows)))]

    def contexts(rows: Sequence[Mapping[str, Any]], asked: Sequence[Case]) -> list[str]:
        needed = [case.context for case in asked if case.context]
        return list(dict.fromkeys([*needed, *(row["context"] for row in rows)]))[:PASSAGES_HELD]

    of_squad, of_wiki = cases(squad, QUESTIONS), cases(wiki, QUESTIONS // 3)
    return {
        "squad": (
            contexts(squad, of_squad),
            of_squad + strangers(wiki, QUESTIONS // 6) + strangers(yes_no, QUESTIONS // 6),
        ),
        "wiki": (contexts(wiki, of_wiki), of_wiki + strangers(squad, QUESTIONS // 6)),
    }


def fit_retrieval(folder: Path, embedder: Embedder) -> tuple[Logistic, Logistic, dict[str, float]]:
    """Weights of evidence and decision, and figures from the held-out half."""
    chance = random.Random(7)  # noqa: S311  # a sample, no secret
    evidence_rows: list[Row] = []
    seen: list[tuple[Corpus, Looked]] = []
    with tempfile.TemporaryDirectory() as scratch:
        for name, (contexts, cases) in corpora(folder, chance).items():
            print(f"{name}: {len(contexts)} passages, {len(cases)} questions", flush=True)
            corpus = Corpus(embedder, contexts, Path(scratch) / name)
            seen += [(corpus, looked) for looked in corpus.look(cases)]
            corpus.close()
        for corpus, looked in seen:
            evidence_rows += labelled_units(corpus, looked)
        evidence = fit(evidence_rows, EVIDENCE_PRIOR)
        ranked = [(corpus, looked, rank(evidence, looked)) for corpus, looked in seen]
        decision_rows = [
            (decision_features(x.case.question, x.passages, r), quoted_right(c, x, r), x.case.weight)
            for c, x, r in ranked
            if r and fitted_on(x.case.question)
        ]
        decision = fit(decision_rows, DECISION_PRIOR)
    held_out = [item for item in ranked if item[2] and not fitted_on(item[1].case.question)]
    return evidence, decision, retrieval_figures(held_out, decision)


def labelled_units(corpus: Corpus, looked: Looked) -> list[Row]:
    """Units of a fitted, answerable case; all of a case weigh as much as those of any other."""
    if looked.case.context is None or not fitted_on(looked.case.question):
        return []
    labels = [corpus.is_right(looked.case, looked.passages[u.passage].document, u.text) for u, _ in looked.units]
    if not any(labels):
        return []
    return [(features, label, 1.0) for (_, features), label in zip(looked.units, labels, strict=True)]


def rank(weights: Logistic, looked: Looked) -> tuple[Evidence, ...]:
    """What `FeatureScorer` would give, from features that are there already."""
    return FeatureScorer.ordered(weights, looked.passages, looked.units)


def quoted_right(corpus: Corpus, looked: Looked, ranked: Sequence[Evidence]) -> bool:
    """Whether the quoted answer holds the gold answer from the gold passage."""
    parts = quote(choose_evidence(ranked)).parts
    return any(corpus.is_right(looked.case, part.evidence.document, part.evidence.text) for part in parts)


def retrieval_figures(
    held_out: Sequence[tuple[Corpus, Looked, tuple[Evidence, ...]]], decision: Logistic
) -> dict[str, float]:
    """Shares of answerable questions whose quote, best unit, or nearest unit by cosine alone is right; separation."""
    scored = [
        (decision.probability(decision_features(x.case.question, x.passages, r)), quoted_right(c, x, r), x, r, c)
        for c, x, r in held_out
    ]
    answerable = [item for item in scored if item[2].case.context is not None]
    strangers = [score for score, _, x, _, _ in scored if x.case.context is None and x.case.weight == 1.0]
    best = [c.is_right(x.case, r[0].document, r[0].text) for _, _, x, r, c in answerable]
    nearest = []
    for _, _, x, r, c in answerable:
        top = max(r, key=lambda e: e.features["cosine"])
        nearest.append(c.is_right(x.case, top.document, top.text))
    words = [word_count(quote(choose_evidence(r)).text) for _, _, _, r, _ in answerable]
    limit = float(np.quantile(strangers, 0.95))
    return {
        "answerable": len(answerable),
        "nearest_by_cosine": float(np.mean(nearest)),
        "best_unit": float(np.mean(best)),
        "quote": float(np.mean([right for _, right, *_ in answerable])),
        "quote_words": float(np.mean(words)),
        "auroc_right": auroc([s for s, *_ in scored], [right for _, right, *_ in scored]),
        "threshold_95_off_topic_abstained": limit,
        "answerable_above_it": float(np.mean([score >= limit for score, *_ in answerable])),
    }


def fit_support(folder: Path, embedder: Embedder) -> tuple[Logistic, dict[str, float]]:
    """Weights of support and the held-out AUROC per source."""
    chance = random.Random(11)  # noqa: S311  # a sample, no secret
    share = {"mnli": 0.5, "scifact_train": 0.5, "squad_sentence_edit": 0.7}
    held_out: dict[str, list[tuple[Mapping[str, float], bool]]] = {}
    fitted: list[Row] = []
    for name in (
        "fever_dev", "fever_symmetric", "fool_me_twice", "mnli", "squad_answer_swap", "citation_integrity", "wice",
        "scifact_train", "squad_sentence_edit",
    ):  # fmt: skip
        rows = read(folder, name)
        rows = chance.sample(rows, min(len(rows), int(CLAIMS * share.get(name, 1.0))))
        # Data of this kind is made so that overlap tells little; a model may also speak of something else altogether.
        strangers = [{**row, "context": other["context"], "hallucinated": True} for row, other in pairwise(rows)]
        for row, weight in [(row, 1.0) for row in rows] + [(row, 0.5) for row in strangers[::3]]:
            premises = premises_of([row["context"]], row["answer"])
            if not premises or not row["answer"].strip():
                continue
            features = support_features(embedder, row["answer"], premises, row.get("question", ""))
            supported = not row["hallucinated"]
            if fitted_on(row["answer"]):
                fitted.append((features, supported, weight))
            else:
                held_out.setdefault(name if weight == 1.0 else "another_text", []).append((features, supported))
        print(f"{name}: done", flush=True)
    support = fit(fitted, SUPPORT_PRIOR, fixed=SUPPORT_FIXED)
    own = [row for name, rows in held_out.items() if name != "another_text" for row in rows if row[1]]
    held_out["another_text"] += own
    figures = {
        f"auroc_{name}": auroc([support.probability(f) for f, _ in rows], [label for _, label in rows])
        for name, rows in held_out.items()
    }
    return support, figures


def main() -> None:
    """Fit the weights, print the figures, and write them with `--write`."""
    parser = argparse.ArgumentParser(description="Fit the weights of rag/calibration.json.")
    parser.add_argument("data", type=Path)
    parser.add_argument("--write", action="store_true", help="put the weights into rag/calibration.json")
    parser.add_argument("--only", choices=("evidence", "support"), help="fit one part and leave the other as it is")
    parser.add_argument("--cache", type=Path, default=Path("data/models"), help="where the converted embedder is kept")
    given = parser.parse_args()
    embedder = RememberingEmbedder(open_embedder(cache_folder=given.cache))
    table: dict[str, Any] = json.loads(CALIBRATION.read_text(encoding="utf-8"))
    if given.only != "support":
        evidence, decision, figures = fit_retrieval(given.data / "reader", embedder)
        table |= {"evidence": written(evidence), "decision": written(decision), "evidence_figures": rounded(figures)}
    if given.only != "evidence":
        support, figures = fit_support(given.data / "verifier", embedder)
        table |= {"support": written(support), "support_figures": rounded(figures)}
    page = json.dumps(table, indent=1)
    print(page)
    if given.write:
        CALIBRATION.write_text(page + "\n", encoding="utf-8")


def written(weights: Logistic) -> dict[str, Any]:
    """Weights as `rag/calibration.py` reads them."""
    return {"intercept": round(weights.intercept, 4), "weights": rounded(weights.weights)}


def rounded(values: Mapping[str, float]) -> dict[str, float]:
    """Four digits are more than the data can tell."""
    return {name: round(value, 4) for name, value in values.items()}


if __name__ == "__main__":
    main()
