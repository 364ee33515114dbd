"""Teaches the default model to answer briefly from evidence and to name its source.

    python -m train.adapter lessons TRAIN_DATA lessons.jsonl     # prompts and answers as tokens
    python -m train.adapter teach lessons.jsonl adapter.gguf     # a LoRA adapter; a graphics processor helps

Knows the forms of the training data. Each prompt is made by the service's own functions of evidence from several
passages, found and ranked by rare words with some luck for the right one: the service's reader has seen these very
questions, so its own ranking would be better here than it is elsewhere. What is to be said is a sentence of the
evidence with what the question did not ask for cut off, or the short answer of an expert, and the number of the
source; where the chosen notes do not hold the answer, it is that they do not. A model that was taught to say so says it
too often (docs/decisions/0042), so `teach` leaves these lessons out unless `--cannot` keeps a share of them.

Data statement: SQuAD 1.1 and 2.0 (parts, CC BY-SA 4.0), BioASQ (CC BY 2.5), PubMedQA (MIT), QMSum (MIT). Beside the
unanswerable questions that people wrote, some answerable ones lose every passage that says their answer.
"""

import argparse
import json
import math
import random
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eval.metrics import says
from index.passage import Passage
from rag.cite import sentences_of
from rag.compose import choose_evidence
from rag.evidence import Evidence
from rag.llm.llama import LlamaModel
from rag.llm.local import chat_template
from rag.llm.lora import Lesson, Plan, teach
from rag.llm.registry import packaged_model
from rag.llm.tokens import PromptMaker
from rag.parts import parts_of
from rag.prompt import prompt_messages
from rag.tuning import CANNOT, MOST_TOKENS
from rag.units import units_of
from rag.words import content_stems, share, word_count
from train.examples import read_rows

# file -> how many of its answerable and unanswerable questions are asked
FILES: Mapping[str, tuple[int, int]] = {
    "squad_dev_other_articles": (3200, 1686),
    "squad2_train10": (2000, 283),
    "bioasq": (1300, 0),
    "pubmedqa": (700, 0),
    "qmsum": (450, 0),
}
HIDDEN = 0.16  # of answerable SQuAD questions: those that lose every passage that says their answer
MOST_WORDS = 45  # of an answer
HELD = 0.7  # of an expert's words that stand in the evidence: the rest would be made up
LEAST_SENTENCE = 14  # words; a shorter sentence is said whole
FOUND = 8  # passages
LUCK = 0.45  # of the best score that a unit with the answer may gain: it comes first as often as in the service

_END = re.compile(
    r"(?:;| [–—-] |, (?:which|who|whose|where|when|while|although|though|but|making|including|because|after|before|as"
    r"|so|with|and (?:it|he|she|they|the|was|were|is|are|has|had|later|then)))\b"
)
_LEAD = re.compile(r"(?:In|On|At|By|During|After|Before|However|Although|While|As|For|Since|Also)\b[^,]{0,60}, ")
_BRACKET = re.compile(r" ?\([^()]*\)")


@dataclass(frozen=True, slots=True)
class Row:
    """A question with what is known of its answer. `said` is an expert's text; without it, answers are spans."""

    question: str
    context: str
    answers: tuple[str, ...]
    said: str
    source: str


def main() -> None:
    """Make lessons, or teach."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    lessons = commands.add_parser("lessons")
    lessons.add_argument("data", type=Path)
    lessons.add_argument("output", type=Path)
    lessons.set_defaults(run=make_lessons)
    teaching = commands.add_parser("teach")
    teaching.add_argument("lessons", type=Path)
    teaching.add_argument("output", type=Path)
    teaching.add_argument("--model", type=Path)
    for name, default in {"rank": 8, "alpha": 16, "layers": 16, "epochs": 1, "batch": 8, "threads": 0}.items():
        teaching.add_argument(f"--{name}", type=int, default=default)
    teaching.add_argument("--rate", type=float, default=1e-3)
    teaching.add_argument("--most", type=int, default=1100, help="lessons")
    teaching.add_argument("--matrices", default="q_proj,v_proj,down_proj")
    teaching.add_argument("--cannot", type=float, default=0.0, help="share of the lessons that the notes do not answer")
    teaching.add_argument("--longest", type=int, default=320, help="tokens of a lesson")
    teaching.set_defaults(run=teach_lessons)
    given = parser.parse_args()
    given.run(given)


def make_lessons(given: argparse.Namespace) -> None:
    """Find evidence for every question and write down what should be said."""
    draw = random.Random(0)
    model = LlamaModel(packaged_model())
    prompts = PromptMaker(model, chat_template(model))
    end = next(token for token in sorted(model.special.values(), reverse=True) if model.is_end(token))
    counts: Counter[str] = Counter()
    with given.output.open("w", encoding="utf-8") as out:
        passages, rows = read(given.data, draw)
        for row, evidence, answer in taught(Finder(passages), rows, draw):
            prompt = prompts.prompt(prompt_messages(row.question, evidence)).tokens
            tokens = (*prompts.plain(answer), end)
            if len(prompt) + len(tokens) > MOST_TOKENS:
                continue
            first = next((n for n, item in enumerate(evidence) if answer.endswith(f"[{item.n}]")), -1)
            counts[f"{row.source} {'cannot' if answer == CANNOT else 'first' if first == 0 else 'later'}"] += 1
            line = {"question": row.question, "said": answer, "source": row.source, "prompt": prompt, "answer": tokens}
            out.write(json.dumps(line, ensure_ascii=False) + "\n")
    print(f"{len(passages)} passages, {len(rows)} questions, lessons: {json.dumps(counts, indent=1)}")


def read(data: Path, draw: random.Random) -> tuple[list[Passage], list[Row]]:
    """All passages of the files, and their questions in a random order."""
    passages: dict[str, Passage] = {}
    rows: list[Row] = []
    for name, most in FILES.items():
        found = read_rows(data / "reader" / f"{name}.jsonl")
        for row in found:
            if row["context"] not in passages:
                title, text = str(row.get("title") or "").replace("_", " "), row["context"]
                place = len(passages)
                passages[text] = Passage(place, str(place), name, 1, name, title, title, None, 0, len(text), text, 0.0)
        draw.shuffle(found)
        for answerable, count in zip((True, False), most, strict=True):
            chosen = [row for row in found if bool(row["answerable"]) == answerable][:count]
            rows += [_row(row, name) for row in chosen]
    draw.shuffle(rows)
    return list(passages.values()), rows


def _row(row: Mapping[str, Any], source: str) -> Row:
    answers = tuple(answer for answer in row.get("answers") or () if answer) if row["answerable"] else ()
    said = row.get("long_answer") or (answers[0] if source == "qmsum" else "")
    return Row(row["question"], row["context"], answers, said if row["answerable"] else "", source)


class Finder:
    """Passages and units by the rare words that they share with a question."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        self._passages = passages
        self._places: dict[str, list[int]] = {}
        for place, passage in enumerate(passages):
            for stem in set(content_stems(f"{passage.title} {passage.text}")):
                self._places.setdefault(stem, []).append(place)

    def _weight(self, stem: str) -> float:
        return math.log(1 + len(self._passages) / (1 + len(self._places.get(stem, ()))))

    def passages(self, question: str) -> list[Passage]:
        """The best, best first."""
        scores: Counter[int] = Counter()
        for stem in set(content_stems(question)):
            for place in self._places.get(stem, ()):
                scores[place] += self._weight(stem)  # type: ignore[assignment]
        return [self._passages[place] for place, _ in scores.most_common(FOUND)]

    def evidence(self, row: Row, passages: Sequence[Passage], draw: random.Random) -> tuple[Evidence, ...]:
        """What the prompt holds. Luck stands for what the service's networks see beyond words."""
        asked = {stem: self._weight(stem) for stem in content_stems(row.question)}
        whole, found = sum(asked.values()) or 1.0, list[Evidence]()
        for unit in units_of(passages):
            passage = passages[unit.passage]
            held = set(content_stems(f"{passage.heading} {unit.text}"))
            score = sum(weight for stem, weight in asked.items() if stem in held) / whole
            if passage.text == row.context and says(unit.text, row.answers):
                score += LUCK * draw.random()
            score += 0.3 * draw.random() + 0.3 / (1 + unit.passage)
            found.append(
                Evidence(
                    unit.passage + 1,
                    passage.document,
                    unit.kind,
                    unit.start,
                    unit.end,
                    unit.text,
                    passage.heading,
                    score,
                )
            )
        return choose_evidence(sorted(found, key=lambda item: -item.score))


def taught(finder: Finder, rows: Sequence[Row], draw: random.Random) -> Iterator[tuple[Row, Sequence[Evidence], str]]:
    """What stands in the prompt of each question, and what is to be said."""
    for row in rows:
        if len(parts_of(row.question)) > 1:
            continue
        passages = finder.passages(row.question)
        hidden = bool(row.answers) and not row.said and draw.random() < HIDDEN
        if hidden:
            passages = [passage for passage in passages if not says(passage.text, row.answers)]
        elif all(passage.text != row.context for passage in passages):
            continue
        evidence = finder.evidence(row, passages, draw)
        answer = CANNOT if hidden or not row.answers else wanted(row, evidence)
        if evidence and answer:
            yield row, evidence, answer


def wanted(row: Row, evidence: Sequence[Evidence]) -> str:
    """What is to be said of this evidence, with the number of its source; empty where that is not certain."""
    if row.said:
        return expert(row, evidence)
    for item in evidence:
        for start, end in sentences_of(item.text):
            sentence = item.text[start:end]
            answer = next((one for one in row.answers if one in sentence), None)
            if answer is not None and word_count(sentence) <= 2 * MOST_WORDS:
                return f"{brief(sentence, answer, row.question)} [{item.n}]"
    # It may still be said in other words.
    return "" if says("\n".join(item.text for item in evidence), row.answers) else CANNOT


def brief(sentence: str, answer: str, question: str) -> str:
    """The sentence without what neither the answer nor the question's words need."""
    if word_count(sentence) < LEAST_SENTENCE:
        return _whole(sentence)
    kept = set(content_stems(question)) & set(content_stems(sentence))

    def enough(text: str) -> bool:
        return answer in text and kept <= set(content_stems(text)) and word_count(text) >= 4

    for bracket in _BRACKET.findall(sentence):
        if enough(shorter := sentence.replace(bracket, "", 1)):
            sentence = shorter
    if (lead := _LEAD.match(sentence)) and enough(rest := sentence[lead.end() :]):
        sentence = rest[0].upper() + rest[1:]
    for boundary in _END.finditer(sentence):
        if enough(begin := sentence[: boundary.start()]):
            sentence = begin
            break
    return _whole(sentence)


def _whole(sentence: str) -> str:
    said = " ".join(sentence.split()).rstrip(" ,;:–—-")
    return said if said[-1:] in ".!?" else f"{said}."


def expert(row: Row, evidence: Sequence[Evidence]) -> str:
    """The first sentence or two of an expert's answer, if the evidence holds what they say."""
    said = ""
    for start, end in sentences_of(row.said):
        longer = f"{said} {row.said[start:end]}".strip()
        if said and (word_count(longer) > MOST_WORDS or word_count(said) > MOST_WORDS / 3):
            break
        said = longer
    if not said or word_count(said) > MOST_WORDS:
        return ""
    stems = set(content_stems(said)) - set(content_stems(row.question))
    held = [share(stems, set(content_stems(item.text))) for item in evidence]
    everything = set().union(*(content_stems(item.text) for item in evidence))
    if not stems or share(stems, everything) < HELD:
        return ""
    return f"{_whole(said)} [{evidence[held.index(max(held))].n}]"


def teach_lessons(given: argparse.Namespace) -> None:
    """Train on a file of lessons."""
    draw = random.Random(0)
    rows = [row for row in read_rows(given.lessons) if row["said"] != CANNOT or draw.random() < given.cannot]
    found = [Lesson(tuple(row["prompt"]), tuple(row["answer"])) for row in rows]
    lessons = [lesson for lesson in found if len(lesson.prompt) + len(lesson.answer) <= given.longest][: given.most]
    plan = Plan(
        rank=given.rank,
        alpha=given.alpha,
        epochs=given.epochs,
        rate=given.rate,
        batch=given.batch,
        threads=given.threads,
        layers=given.layers,
        matrices=tuple(given.matrices.split(",")),
        keep_every=20,
    )

    def say(step: int, steps: int, loss: float) -> None:
        if step % 5 == 0:
            print(f"step {step} of {steps}: loss {loss:.3f}", flush=True)

    teach(given.model or packaged_model(), lessons, given.output, plan, say)


if __name__ == "__main__":
    main()
