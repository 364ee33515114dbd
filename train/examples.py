"""Training rows become (first, second) text pairs with targets. Knows no tokenizer and no model.

Reading: first = question, second = passage; the target is a span of the passage, or none.
Checking: first = claim (with its question in front, if any), second = evidence; the target is supported or not.
"""

import json
import random
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

READER_FILES = (
    "squad_dev_other_articles",
    "squad2_train10",
    "synthetic_unanswerable",
    "nq_oracle",
    "qed_dev",
    "bioasq",
    "selqa",
)
# file -> share of its rows that is used (leaky and caption-like sets count less)
VERIFIER_FILES = {
    "fever_dev": 0.4,
    "fever_symmetric": 1.0,
    "fool_me_twice": 1.0,
    "mnli": 0.7,
    "squad_answer_swap": 1.0,
    "citation_integrity": 0.4,
    "wice": 1.0,
    "scifact_train": 0.6,
    "med": 0.4,
    "snli_devtest": 0.1,
    "conjnli": 0.1,
    "squad_sentence_edit": 0.4,
    "entailmentbank": 0.6,
    "control": 0.5,
}

_OPPOSITES = {
    a: b
    for left, right in (
        ("first", "last"),
        ("largest", "smallest"),
        ("before", "after"),
        ("most", "least"),
        ("highest", "lowest"),
        ("increase", "decrease"),
        ("increased", "decreased"),
        ("north", "south"),
        ("northern", "southern"),
        ("east", "west"),
        ("eastern", "western"),
        ("more", "fewer"),
        ("oldest", "youngest"),
        ("early", "late"),
        ("won", "lost"),
        ("win", "lose"),
        ("begin", "end"),
        ("began", "ended"),
        ("above", "below"),
        ("maximum", "minimum"),
        ("allowed", "forbidden"),
        ("same", "different"),
        ("major", "minor"),
        ("start", "stop"),
        ("public", "private"),
        ("inside", "outside"),
        ("best", "worst"),
        ("longest", "shortest"),
    )
    for a, b in ((left, right), (right, left))
}
_NAME = re.compile(r"\b[A-Z][\w'-]+(?: (?:of |the )?[A-Z][\w'-]+)*")
_NUMBER = re.compile(r"\b\d[\d,.]*\b")
_AUXILIARY = re.compile(r"\b(did|was|were|is|are|does|do|has|have|can|could|would|will)\b")


@dataclass(frozen=True, slots=True)
class Example:
    """One pair. Reading rows carry `answerable` and a span; checking rows carry `supported`."""

    first: str
    second: str
    start: int = -1  # characters of `second`; -1: no span is known
    end: int = -1
    answerable: bool | None = None
    supported: bool | None = None


def read_rows(path: Path) -> list[dict[str, Any]]:
    """One JSON object per line."""
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def reading_examples(folder: Path, rng: random.Random) -> list[Example]:
    """All usable reader rows, and as many altered questions as there are answerable ones of SQuAD form."""
    found: list[Example] = []
    for name in READER_FILES:
        rows = [example for row in read_rows(folder / "reader" / f"{name}.jsonl") for example in _reading(row)]
        found += rows
        if name.startswith("squad"):
            found += list(_altered(rows, rng))
        found += list(_misplaced(rows, rng))
    return found


def checking_examples(folder: Path, rng: random.Random) -> list[Example]:
    """The verifier mix. Half of the short evidence is padded with unrelated text, so that length tells nothing."""
    found: list[Example] = []
    for name, share in VERIFIER_FILES.items():
        rows = read_rows(folder / "verifier" / f"{name}.jsonl")
        rng.shuffle(rows)
        for row in rows[: int(len(rows) * share)]:
            claim = f"{row['question']} {row['answer']}" if row.get("question") else row["answer"]
            found.append(Example(claim, row["context"], supported=not row["hallucinated"]))
    padding = [example.second for example in found]
    return [_padded(example, padding, rng) if rng.random() < 0.5 else example for example in found]


def _reading(row: dict[str, Any]) -> Iterator[Example]:
    context, question = row["context"], row["question"]
    if not row["answerable"]:
        yield Example(question, context, answerable=False)
        return
    if row.get("evidence_idx") and row.get("sentence_starts"):
        starts = [*row["sentence_starts"], len(context)]
        index = row["evidence_idx"][0]
        text = context[starts[index] : starts[index + 1]].rstrip()
        yield Example(question, context, starts[index], starts[index] + len(text), answerable=True)
        return
    for answer in row["answers"]:
        start = context.find(answer)
        if answer and start >= 0:
            yield Example(question, context, start, start + len(answer), answerable=True)
            return


def _altered(rows: list[Example], rng: random.Random) -> Iterator[Example]:
    """Questions that a small change makes unanswerable: a name or number swapped, a word turned, a negation put in."""
    for position, example in enumerate(rows):
        if not example.answerable or rng.random() < 0.35:
            continue
        neighbour = rows[(position + rng.randrange(1, 40)) % len(rows)].second
        question = _alter(example, neighbour, rng)
        if question and question != example.first:
            yield replace(example, first=question, start=-1, end=-1, answerable=False)


def _alter(example: Example, neighbour: str, rng: random.Random) -> str | None:
    makers = [_swap_name, _swap_number, _turn_word, _negate]
    rng.shuffle(makers)
    for maker in makers:
        if maker is _negate and rng.random() < 0.6:
            continue
        altered = maker(example, neighbour, rng)
        if altered:
            return altered
    return None


def _swap_name(example: Example, neighbour: str, rng: random.Random) -> str | None:
    names = [m for m in _NAME.finditer(example.first) if m.start() > 0 and m.group() in example.second]
    if not names:
        return None
    chosen = rng.choice(names)
    pool = example.second if rng.random() < 0.4 else neighbour
    others = {m.group() for m in _NAME.finditer(pool) if m.start() > 0 and len(m.group()) > 3}
    others = {o for o in others if o not in example.first and chosen.group() not in o}
    answer = example.second[example.start : example.end]
    others.discard(answer)
    if not others:
        return None
    other = rng.choice(sorted(others))
    return example.first[: chosen.start()] + other + example.first[chosen.end() :]


def _swap_number(example: Example, neighbour: str, rng: random.Random) -> str | None:
    numbers = list(_NUMBER.finditer(example.first))
    if not numbers:
        return None
    chosen = rng.choice(numbers)
    others = {m.group() for m in _NUMBER.finditer(example.second + " " + neighbour)} - {chosen.group()}
    same_length = sorted(o for o in others if len(o) == len(chosen.group()))
    if not same_length:
        return None
    return example.first[: chosen.start()] + rng.choice(same_length) + example.first[chosen.end() :]


def _turn_word(example: Example, _neighbour: str, rng: random.Random) -> str | None:
    words = example.first.split(" ")
    places = [i for i, word in enumerate(words) if word.lower().strip("?,") in _OPPOSITES]
    if not places:
        return None
    place = rng.choice(places)
    bare = words[place].lower().strip("?,")
    words[place] = words[place].lower().replace(bare, _OPPOSITES[bare])
    return " ".join(words)


def _negate(example: Example, _neighbour: str, rng: random.Random) -> str | None:
    match = _AUXILIARY.search(example.first)
    if not match or " not " in example.first:
        return None
    rest = example.first[match.end() :].split(" ")
    cut = 2 if len(rest) > 4 and rng.random() < 0.6 else 1
    return example.first[: match.end()] + " ".join(rest[:cut]) + " not " + " ".join(rest[cut:])


def _misplaced(rows: list[Example], rng: random.Random) -> Iterator[Example]:
    """Questions beside a passage of another row that does not hold the answer: what retrieval brings."""
    for position, example in enumerate(rows):
        if not example.answerable or rng.random() < 0.8:
            continue
        other = rows[(position + rng.randrange(1, 30)) % len(rows)].second
        answer = example.second[example.start : example.end]
        if other != example.second and answer.lower() not in other.lower():
            yield Example(example.first, other, answerable=False)


def _padded(example: Example, texts: Iterable[str], rng: random.Random) -> Example:
    pool = list(texts) if not isinstance(texts, list) else texts
    if len(example.second) > 600:
        return example
    extra = rng.choice(pool)[:700]
    parts = [example.second, extra] if rng.random() < 0.5 else [extra, example.second]
    return replace(example, second=" ".join(parts))
