"""Teaches a local model to answer from evidence as a collection's own examples do, and keeps it only if it got better.

Knows no training: rag/llm/lora.py has that. Examples are question, evidence and answer; some are held out, and the
model is asked them before and after.
"""

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import select

from index.database import Database
from ingest.files import temporary_name
from rag.errors import BadRequest
from rag.evidence import Evidence
from rag.llm.decoder import Segment
from rag.llm.llama import LlamaContext, LlamaModel
from rag.llm.local import BATCH_TOKENS, chat_template
from rag.llm.lora import Lesson, Plan, teach
from rag.llm.registry import Models
from rag.llm.shelf import LOCAL, ModelVersion, sha256_of
from rag.llm.tokens import PromptMaker
from rag.prompt import prompt_messages
from rag.schema import Answer, Feedback
from rag.words import content_stems

CANNOT = "The notes do not answer this question."
LEAST_EXAMPLES = 8
MOST_HELD = 60  # cases that are asked before and after
ANSWER_TOKENS = 64
MOST_TOKENS = 1024  # of a lesson; longer ones are left out


@dataclass(frozen=True, slots=True)
class Example:
    """One question with the passages that answer it and what is to be said. `answer` may say that they do not."""

    question: str
    evidence: tuple[str, ...]
    answer: str


@dataclass(frozen=True, slots=True)
class Score:
    """Of the held-out cases: mean loss per token of the right answers, and overlap (F1 of words) of what is said."""

    loss: float
    f1: float

    def better_than(self, other: "Score") -> bool:
        return self.f1 > other.f1 and self.loss < other.loss


@dataclass(frozen=True, slots=True)
class Tuned:
    """What came of it. `promoted`: the new version speaks from now on."""

    taught: int
    held: int
    before: Score
    after: Score
    losses: tuple[float, ...]
    version: ModelVersion
    promoted: bool


def read_examples(path: Path) -> list[Example]:
    """One JSON object a line: `question`; `evidence` or `context`, a text or several; `answer` or `answers`.

    With `answerable` false the answer is that the notes do not tell. Lines without all three are left out.
    Raises BadRequest for a line that is no JSON.
    """
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise BadRequest(f"line {number} of {path} is no JSON ({error}); one object a line was wanted") from error
        if isinstance(row, dict) and (example := _example(row)) is not None:
            found.append(example)
    return found


def _example(row: dict[str, Any]) -> Example | None:
    evidence, answers = row.get("evidence") or row.get("context"), row.get("answer") or row.get("answers")
    texts = [evidence] if isinstance(evidence, str) else evidence or []
    answer = CANNOT if row.get("answerable") is False else answers if isinstance(answers, str) else (answers or [""])[0]
    if not row.get("question") or not texts or not answer:
        return None
    return Example(str(row["question"]), tuple(str(text) for text in texts), str(answer))


def accepted_examples(database: Database) -> list[Example]:
    """Answers that somebody liked, or said how they should have been."""
    query = select(Answer, Feedback).join(Feedback, Feedback.answer == Answer.key)
    found = []
    with database.read() as session:
        for answer, feedback in session.execute(query).all():
            said = feedback.better or (answer.text if feedback.rating == "up" else "")
            cited = {source["n"] for citation in answer.citations for source in citation["sources"]}
            texts = tuple(str(source["text"]) for source in answer.sources if source["n"] in cited)
            if said and texts:
                found.append(Example(answer.rewritten or answer.question, texts, said))
    return found


def split(examples: Sequence[Example], share: float, seed: int) -> tuple[list[Example], list[Example]]:
    """(taught, held out). Examples over the same evidence stay together, so that no held-out one was seen.

    Raises BadRequest for too few.
    """
    if len(examples) < LEAST_EXAMPLES:
        raise BadRequest(f"there are {len(examples)} examples, but at least {LEAST_EXAMPLES} are wanted; add more")
    groups: dict[tuple[str, ...], list[Example]] = {}
    for example in examples:
        groups.setdefault(example.evidence, []).append(example)
    order = list(groups.values())
    random.Random(seed).shuffle(order)  # noqa: S311 - an order of examples is no secret
    wanted = min(MOST_HELD, max(2, round(share * len(examples))))
    held: list[Example] = []
    while order and len(held) < wanted:
        held += order.pop()
    taught = [example for group in order for example in group]
    if not taught:
        raise BadRequest("all examples share their evidence, so none can be held out; add some about other passages")
    return taught, held


class Classroom:
    """One model file, and examples as its tokens."""

    def __init__(self, path: Path) -> None:
        self.model = LlamaModel(path)
        self._prompts = PromptMaker(self.model, chat_template(self.model))
        self._end = next(
            (token for token in sorted(self.model.special.values(), reverse=True) if self.model.is_end(token)), None
        )

    def lessons(self, examples: Sequence[Example]) -> list[Lesson]:
        """Those that are not too long."""
        found = (self._lesson(example) for example in examples)
        return [lesson for lesson in found if len(lesson.prompt) + len(lesson.answer) <= MOST_TOKENS]

    def _lesson(self, example: Example) -> Lesson:
        notes = [
            Evidence(n, "", "sentence", 0, len(text), text, "", 1.0) for n, text in enumerate(example.evidence, start=1)
        ]
        prompt = self._prompts.prompt(prompt_messages(example.question, notes)).tokens
        end = () if self._end is None else (self._end,)
        return Lesson(prompt, (*self._prompts.plain(example.answer), *end))

    def score(self, lessons: Sequence[Lesson], adapter: Path | None, threads: int) -> Score:
        """Ask all lessons, one after another, with the likeliest words."""
        context = LlamaContext(
            self.model,
            sequences=1,
            context_tokens=MOST_TOKENS + ANSWER_TOKENS,
            batch_tokens=BATCH_TOKENS,
            threads=threads,
            adapter=adapter,
        )
        try:
            losses = [self._loss(context, lesson) for lesson in lessons]
            overlaps = [overlap(self._said(context, lesson), self._text(lesson.answer)) for lesson in lessons]
        finally:
            context.close()
        return Score(round(float(np.mean(losses)), 4), round(float(np.mean(overlaps)), 4))

    def _loss(self, context: LlamaContext, lesson: Lesson) -> float:
        """Mean over the tokens of the right answer. Leaves the prompt, all but its last token, in the context."""
        context.forget(0, 0)
        begin = len(lesson.prompt) - 1
        _read(context, lesson.prompt[:begin])
        asked, lost = (lesson.prompt[-1], *lesson.answer[:-1]), 0.0
        for start in range(0, len(asked), BATCH_TOKENS):
            part = asked[start : start + BATCH_TOKENS]
            context.decode([Segment(0, begin + start, part, True, guessed=len(part) - 1)])
            for row, wanted in enumerate(lesson.answer[start : start + BATCH_TOKENS]):
                lost -= context.likely(row, wanted, 0)[0]
        context.forget(0, begin)
        return lost / len(lesson.answer)

    def _said(self, context: LlamaContext, lesson: Lesson) -> str:
        context.forget(0, 0)
        _read(context, lesson.prompt[:-1])
        token, said = lesson.prompt[-1], list[int]()
        while len(said) < ANSWER_TOKENS:
            context.decode([Segment(0, len(lesson.prompt) - 1 + len(said), [token], True)])
            token = int(context.logits(0).argmax())
            if self.model.is_end(token):
                break
            said.append(token)
        return self._text(said)

    def _text(self, tokens: Sequence[int]) -> str:
        return b"".join(self.model.piece(token) for token in tokens).decode("utf-8", "replace")


def _read(context: LlamaContext, tokens: Sequence[int]) -> None:
    for start in range(0, len(tokens), BATCH_TOKENS):
        context.decode([Segment(0, start, tokens[start : start + BATCH_TOKENS], False)])


def overlap(said: str, wanted: str) -> float:
    """F1 of the words that carry meaning, between 0 and 1."""
    here, there = Counter(content_stems(said)), Counter(content_stems(wanted))
    both = (here & there).total()
    return 2 * both / (here.total() + there.total()) if both else 0.0


def tune(
    models: Models,
    name: str,
    examples: Sequence[Example],
    plan: Plan,
    *,
    held_share: float = 0.2,
    threads: int,
    say: Callable[[str], None] = lambda _line: None,
) -> Tuned:
    """Teach, compare on the held-out examples, register the adapter as a new version, promote it only if it is better.

    Raises BadRequest for too few examples, ModelUnavailable for a model that cannot be taught.
    """
    taught, held = split(examples, held_share, plan.seed)
    source, speaking = models.weights(name)
    original = models.base() if name == LOCAL else models.shelf.path(models.contents().entry(name).source)
    classroom = Classroom(source)
    lessons, questions = classroom.lessons(taught), classroom.lessons(held)
    if not questions:
        raise BadRequest(f"all held-out examples are longer than {MOST_TOKENS} tokens; give shorter evidence")
    before = classroom.score(questions, speaking, threads)
    say(f"before: {asdict(before)} on {len(questions)} held-out examples")
    models.shelf.folder.mkdir(parents=True, exist_ok=True)
    draft = temporary_name(models.shelf.folder)
    try:
        losses = teach(
            original, lessons, draft, plan, lambda step, steps, loss: say(f"step {step} of {steps}: loss {loss:.3f}")
        )
        after = classroom.score(questions, draft, threads)
        say(f"after: {asdict(after)}")
        adapter = models.shelf.folder / f"{name}-lora-{sha256_of(draft)[:8]}.gguf"
        draft.replace(adapter)
    finally:
        draft.unlink(missing_ok=True)
    better = after.better_than(before)
    version = _registered(models, name, source, adapter, promote=better, before=before, after=after)
    return Tuned(len(lessons), len(questions), before, after, tuple(losses), version, better)


def _registered(
    models: Models, name: str, source: Path, adapter: Path, *, promote: bool, before: Score, after: Score
) -> ModelVersion:
    entry = models.contents().models.get(name)
    if entry is None:  # the file as shipped speaks without being on the shelf
        models.shelf.put(name, source, "shipped", promote=True)
        entry = models.shelf.read().entry(name)
    measured = {f"{key}_before": value for key, value in asdict(before).items()}
    measured |= {f"{key}_after": value for key, value in asdict(after).items()}
    return models.shelf.put(
        name, source, "tuned", promote=promote, adapter=adapter, measured=measured, base=entry.current.base
    )


def examples_of(paths: Sequence[Path], database: Database | None) -> Iterator[Example]:
    """Of files, and of what people liked."""
    for path in paths:
        yield from read_examples(path)
    if database is not None:
        yield from accepted_examples(database)
