"""Fit the weights of `rag/calibration.json`: evidence, answerability, support. Knows the forms of the evaluation data.

Run from the project's root:  python -m train.calibrate EVAL_DATA [--write]

The grounding network is sure of the rows it was trained on, so its scores are calibrated on others: on half of each set
below EVAL_DATA, chosen by a hash of the question or text. All printed figures come from the other half. Nothing of the
data is kept but a few numbers. Every question goes through the real retrieval over all passages of its set, so the
features are those of the running service.

Lists and headings hardly occur in this data: weights that only they touch stay near the prior given here by hand.
"""

import argparse
import csv
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from eval.datasets import Case, read_claims, read_qa
from eval.metrics import auroc, says
from eval.suite_files import read_suite
from eval.workplace import add_folder, add_texts, temporary_app
from index.passage import Passage
from rag.app import App
from rag.calibration import Logistic
from rag.cite import sentences_of
from rag.compose import choose_evidence, quote
from rag.evidence import Evidence, FeatureScorer, decision_features, unit_features
from rag.reading import Reader
from rag.settings import load_settings
from rag.units import Unit
from rag.verify import premises_of, support_features
from train.logistic import Row, fit

CALIBRATION = Path("rag/calibration.json")
SAMPLE = Path("samples/merrowdeck")
# What a case of each corpus weighs in the decision: the sample is small, and the only one that looks like support.
WEIGHTS = {"squad2": 1.0, "clapnq": 1.5, "sample": 0.5, "golden": 12.0}
STRANGERS = 400  # questions about something else, per corpus
EVIDENCE_PRIOR = {
    "read": 1.0, "read_gap": -3.0, "read_passage": 0.0, "read_answerable": 0.0,
    "cosine": 2.5, "cosine_gap": 0.0, "cosine_passage": 0.0, "cosine_near": 0.0, "overlap": 1.0, "overlap_heading": 1.0,
    "overlap_passage": 0.3, "names": 0.3, "numbers": 0.7, "identifiers": 1.0, "kind_fits": 0.3, "kind_misses": -0.5,
    "fresh": 0.3, "new_names": 0.0, "short": -1.0, "length": 0.5, "how_steps": 0.8, "item": 0.0, "code": -0.7,
    "rank": 0.5,
}  # fmt: skip
DECISION_PRIOR = {
    "best": 0.4, "margin": 0.1, "read": 1.0, "read_answerable": 2.0, "read_best": 0.5, "read_best_answerable": 0.5,
    "cosine": 3.0, "dense": 2.0, "found_nowhere": -2.0, "found_here": 0.7, "found_near": 0.5, "names_here": 0.7,
    "overlap_near": 0.3, "overlap_passage": 0.3,
    "kind_misses": -0.4, "agree": 0.3, "first": 0.2,
}  # fmt: skip
# These weights are given, not fitted: an answer's names and numbers stand in its evidence or its headings.
SUPPORT_FIXED = ("name_missing", "number_missing", "numbers_wrong")
SUPPORT_PRIOR = {
    "check": 6.0, "cover_best": 1.0, "fresh_best": 0.5, "fresh_all": 0.5, "number_missing": -1.0, "numbers_wrong": -1.0,
    "name_missing": -1.0, "negation": -0.5, "opposed": -0.6, "opposed_anywhere": -0.3, "denied": -1.0,
    "absolute": -0.5, "short": -1.0, "pairs": 0.8,
}  # fmt: skip
WITHOUT_READER = ("read", "read_gap", "read_passage", "read_answerable", "read_best", "read_best_answerable")


@dataclass(frozen=True, slots=True)
class Looked:
    """A case after retrieval. `names` are the documents' names by id."""

    corpus: str
    case: Case
    passages: tuple[Passage, ...]
    units: list[tuple[Unit, dict[str, float]]]
    names: Mapping[str, str]

    def holds_answer(self, document: str, text: str) -> bool:
        """Whether the text comes from an answering document and says an answer."""
        return self.case.answerable and self.names[document] in self.case.documents and says(text, self.case.answers)


@dataclass(frozen=True, slots=True)
class ClaimRow:
    """A text with the features of each of its sentences."""

    context: str
    supported: bool
    sentences: list[dict[str, float]]


def fitted_on(text: str) -> bool:
    """Whether this question or text is fitted on; else it is reported on."""
    return hashlib.blake2b(text.encode(), digest_size=1).digest()[0] % 2 == 0


def look(app: App, reader: Reader | None, corpus: str, collection: str, cases: Sequence[Case]) -> Iterator[Looked]:
    """Retrieve and compute the features of every case."""
    names: dict[str, str] = {}
    for case in cases:
        passages = app.searcher.search(case.question, collections=[collection], k=app.settings.answer_passages).passages
        names |= {passage.document: passage.name for passage in passages}
        yield Looked(corpus, case, passages, unit_features(app.embedder, case.question, passages, reader), names)


def strangers(data: Path, most: int) -> list[Case]:
    """Questions of bank customers, evenly from the file."""
    with (data / "qa" / "banking77_test.csv").open(encoding="utf-8") as file:
        rows = [row["text"] for row in csv.DictReader(file)]
    step = max(1, len(rows) // most)
    return [Case(f"stranger-{n}", text, "offtopic") for n, text in enumerate(rows[::step][:most])]


def look_at_all(data: Path, app: App, reader: Reader | None, limit: int | None) -> list[Looked]:
    """Every corpus with its own questions and with those of strangers."""
    looked: list[Looked] = []
    for name in ("squad2", "clapnq"):
        found = read_qa(data / "qa" / f"{name}.jsonl", limit)
        collection = app.catalog.create_collection(name=name).id
        add_texts(app, collection, found.texts)
        cases = [*found.cases, *strangers(data, STRANGERS // 4)]
        looked += look(app, reader, name, collection, cases)
        print(f"{name}: {len(found.texts)} passages, {len(cases)} questions", flush=True)
    collection = app.catalog.create_collection(name="sample").id
    add_folder(app, collection, SAMPLE / "documents")
    others = read_qa(data / "qa" / "squad2.jsonl", STRANGERS // 2).cases
    asked = [*strangers(data, STRANGERS), *(Case(f"{c.id}-there", c.question, "offtopic") for c in others)]
    golden = read_suite(SAMPLE / "golden.jsonl")
    looked += look(app, reader, "sample", collection, asked)
    return looked + list(look(app, reader, "golden", collection, golden))


def labelled_units(looked: Looked) -> list[Row]:
    """Units of a case that is fitted on and has its answer among them."""
    if not fitted_on(looked.case.question):
        return []
    labels = [looked.holds_answer(looked.passages[unit.passage].document, unit.text) for unit, _ in looked.units]
    if not any(labels):
        return []
    return [(features, label, 1.0) for (_, features), label in zip(looked.units, labels, strict=True)]


def quoted_right(looked: Looked, ranked: Sequence[Evidence]) -> bool:
    """Whether the quoted answer says a gold answer from a gold document."""
    parts = quote(choose_evidence(ranked)).parts
    documents = {part.evidence.document for part in parts}
    said = "\n".join(part.evidence.text for part in parts)
    return any(looked.holds_answer(document, said) for document in documents)


def fit_grounding(looked: Sequence[Looked], *, read: bool) -> tuple[Logistic, Logistic, dict[str, float]]:
    """Weights of evidence and decision, and figures from the other half."""

    def prior(table: Mapping[str, float]) -> dict[str, float]:
        return {name: weight for name, weight in table.items() if read or name not in WITHOUT_READER}

    evidence = fit([row for item in looked for row in labelled_units(item)], prior(EVIDENCE_PRIOR))
    ranked = [(item, FeatureScorer.ordered(evidence, item.passages, item.units)) for item in looked if item.units]
    rows = [
        (
            decision_features(item.case.question, item.passages, found),
            quoted_right(item, found),
            WEIGHTS[item.corpus],
        )
        for item, found in ranked
        if fitted_on(item.case.question)
    ]
    decision = fit(rows, prior(DECISION_PRIOR))
    return (
        evidence,
        decision,
        grounding_figures([pair for pair in ranked if not fitted_on(pair[0].case.question)], decision),
    )


def grounding_figures(held_out: Sequence[tuple[Looked, tuple[Evidence, ...]]], decision: Logistic) -> dict[str, float]:
    """Per corpus: right quotes, how well the decision separates, and what some thresholds give."""
    found: dict[str, float] = {}
    for corpus in dict.fromkeys(item.corpus for item, _ in held_out):
        here = [pair for pair in held_out if pair[0].corpus == corpus]
        scores = np.array([decision.probability(decision_features(i.case.question, i.passages, r)) for i, r in here])
        right = np.array([quoted_right(item, ranked) for item, ranked in here])
        kinds = np.array([item.case.kind for item, _ in here])
        for threshold in (0.25, 0.3, 0.35, 0.4):
            silent = scores < threshold
            found[f"{corpus}_offtopic_abstained_{threshold}"] = float(np.mean(silent[kinds == "offtopic"]))
            if (kinds == "answerable").any():
                found[f"{corpus}_answered_{threshold}"] = float(np.mean(~silent[kinds == "answerable"]))
                found[f"{corpus}_answered_right_{threshold}"] = float(np.mean((right & ~silent)[kinds == "answerable"]))
                found[f"{corpus}_abstained_{threshold}"] = float(np.mean(silent[kinds == "unanswerable"]))
                own = kinds != "offtopic"
                found[f"{corpus}_wrong_{threshold}"] = float(np.mean((~silent & ~right)[own]))
        if (kinds == "answerable").any():
            own = kinds != "offtopic"
            found[f"{corpus}_quote_right"] = float(np.mean(right[kinds == "answerable"]))
            found[f"{corpus}_auroc_answerable"] = auroc(scores[own].tolist(), (kinds[own] == "answerable").tolist())
            found[f"{corpus}_auroc_right"] = auroc(scores.tolist(), right.tolist())
            words = [len(quote(choose_evidence(r)).text.split()) for i, r in here if i.case.answerable]
            found[f"{corpus}_words"] = float(np.mean(words))
    return found


def claim_rows(data: Path, reader: Reader | None, limit: int | None) -> dict[str, list[ClaimRow]]:
    """Features of every sentence of every text, by set."""
    found: dict[str, list[ClaimRow]] = {}
    for name in ("summedits", "halueval_qa_lengthmatched"):
        claims = read_claims(data / "hallucination" / f"{name}.jsonl", limit)
        rows = []
        for claim in claims:
            table = []
            for start, end in sentences_of(claim.answer):
                sentence = claim.answer[start:end]
                premises = premises_of([claim.context], sentence)
                table.append(support_features(sentence, premises, claim.question, reader))
            rows.append(ClaimRow(claim.context, not claim.hallucinated, table))
        found[name] = rows
        print(f"{name}: {len(claims)} texts", flush=True)
    return found


def fit_support(found: Mapping[str, Sequence[ClaimRow]], *, read: bool) -> tuple[Logistic, dict[str, float]]:
    """Weights of support: a text is as good as its weakest sentence, and which one that is the weights decide."""
    prior = {name: weight for name, weight in SUPPORT_PRIOR.items() if read or name != "check"}
    weights = Logistic(0.0, prior)
    for _ in range(4):
        rows: list[Row] = []
        for claims in found.values():
            mine = [claim for claim in claims if claim.sentences and fitted_on(claim.context)]
            right = sum(claim.supported for claim in mine)
            for claim in mine:
                share = right if claim.supported else len(mine) - right
                weakest = min(claim.sentences, key=weights.logit)
                rows.append((weakest, claim.supported, 250.0 / max(share, 1)))
        weights = fit(rows, prior, ridge=3.0, fixed=SUPPORT_FIXED)
    figures = {}
    for name, claims in found.items():
        held_out = [claim for claim in claims if claim.sentences and not fitted_on(claim.context)]
        scores = [min(weights.probability(features) for features in claim.sentences) for claim in held_out]
        labels = [claim.supported for claim in held_out]
        good = [score >= 0.5 for score, label in zip(scores, labels, strict=True) if label]
        bad = [score < 0.5 for score, label in zip(scores, labels, strict=True) if not label]
        figures[f"{name}_auroc"] = auroc(scores, labels)
        figures[f"{name}_balanced_accuracy"] = float(np.mean(good) + np.mean(bad)) / 2
        if read:
            alone = [min(features["check"] for features in claim.sentences) for claim in held_out]
            figures[f"{name}_auroc_check"] = auroc(alone, labels)
    return weights, figures


def main() -> None:
    """Fit the weights, print the figures, and write them with `--write`."""
    parser = argparse.ArgumentParser(description="Fit the weights of rag/calibration.json.")
    parser.add_argument("data", type=Path)
    parser.add_argument("--write", action="store_true", help="put the weights into rag/calibration.json")
    parser.add_argument("--limit", type=int, help="questions per set")
    parser.add_argument("--only", choices=("evidence", "support"), help="fit one part and leave the other as it is")
    parser.add_argument("--without-reader", action="store_true", help="fit the weights that serve without the network")
    given = parser.parse_args()
    settings = load_settings({"answer_reader": "packaged"})[0]
    table: dict[str, Any] = json.loads(CALIBRATION.read_text(encoding="utf-8"))
    found: dict[str, float] = {}
    fitted: dict[str, Logistic] = {}
    with temporary_app(settings) as app:
        reader = None if given.without_reader else app.reader
        if given.only != "support":
            looked = look_at_all(given.data, app, reader, given.limit)
            fitted["evidence"], fitted["decision"], figures = fit_grounding(looked, read=reader is not None)
            found |= figures
        if given.only != "evidence":
            rows = claim_rows(given.data, reader, given.limit)
            fitted["support"], figures = fit_support(rows, read=reader is not None)
            found |= figures
    suffix = "" if reader else "_without_reader"
    table |= {f"{name}{suffix}": written(weights) for name, weights in fitted.items()}
    table[f"figures{suffix}"] = table.get(f"figures{suffix}", {}) | rounded(found)
    print(
        json.dumps({name: written(weights) for name, weights in fitted.items()} | {"figures": rounded(found)}, indent=1)
    )
    if given.write:
        CALIBRATION.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")


def written(weights: Logistic) -> dict[str, Any]:
    """Weights as `rag/calibration.py` reads them."""
    return {"intercept": round(weights.intercept, 4), "weights": rounded(weights.weights)}


def rounded(values: Mapping[str, float]) -> dict[str, float]:
    """Four digits are more than the data can tell."""
    return {name: round(value, 4) for name, value in values.items()}


if __name__ == "__main__":
    main()
