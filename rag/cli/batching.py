"""Answers a file of questions into another file, some at a time, and goes on where it ended when it is run again.

The answers file is the only state: a line per question that has ended, written whole. A question whose line says
`error` is asked again. Knows nothing of how an answer is made.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from index.errors import FootnoteError
from rag.access.errors import TooMany
from rag.answer import Ask
from rag.budget import USED_UP_SECONDS
from rag.cli.show import json_line
from rag.errors import BadRequest, QueueFull

_LONGEST_LINE = 100_000  # bytes
_TRIES = 100  # for a question that only has to wait


@dataclass(frozen=True, slots=True)
class BatchQuestion:
    """One line of the file. `id` is the line's own, or its number."""

    id: str
    question: str


Answered = Callable[[Ask], Awaitable[dict[str, Any]]]


def read_questions(path: Path) -> list[BatchQuestion]:
    """Lines `{"question": ..., "id"?: ...}`. Raises BadRequest with the number of the first line that is none."""
    found: dict[str, BatchQuestion] = {}
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line) if len(line) <= _LONGEST_LINE else None
        except ValueError:
            row = None
        if not isinstance(row, dict) or not isinstance(row.get("question"), str):
            raise BadRequest(f'line {number} of {path} is not {{"question": "..."}}; mend it, nothing was asked yet')
        name = str(row.get("id", number))
        if name in found:
            raise BadRequest(f"line {number} of {path} has the id {name!r} for the second time; ids must differ")
        found[name] = BatchQuestion(name, row["question"])
    return list(found.values())


async def answer_batch(
    questions: Sequence[BatchQuestion], target: Path, template: Ask, answered: Answered, *, at_once: int
) -> dict[str, int]:
    """Ask what has no answer in `target` yet, `at_once` at a time. Returns counts: answered, failed, before."""
    done = finished_in(target)
    left = [one for one in questions if done.get(one.id) != one.question]
    told = {"answered": 0, "failed": 0, "before": len(questions) - len(left)}
    upcoming = iter(left)
    with target.open("ab") as file:

        async def ask_some() -> None:
            for one in upcoming:
                row = await _row(one, template, answered)
                told["failed" if "error" in row else "answered"] += 1
                _write(file, row)

        await asyncio.gather(*(ask_some() for _ in range(at_once)))
    return told


def finished_in(target: Path) -> dict[str, str]:
    """Id -> question of the lines without an error. A line that was torn off is cut away and asked again.

    Raises BadRequest if the file holds something else: it is not written over.
    """
    if not target.exists():
        return {}
    data = target.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    done: dict[str, str] = {}
    for number, line in enumerate(whole.splitlines(), start=1):
        try:
            row = json.loads(line)
            name, question, failed = row["id"], row["question"], "error" in row
        except (ValueError, KeyError, TypeError) as error:
            raise BadRequest(
                f"line {number} of {target} is not from a batch before; name another file for the answers"
            ) from error
        if not failed:
            done[name] = question
    if len(whole) < len(data):
        with target.open("r+b") as file:
            file.truncate(len(whole))
    return done


async def _row(one: BatchQuestion, template: Ask, answered: Answered) -> dict[str, Any]:
    for _ in range(_TRIES):
        try:
            answer = await answered(replace(template, question=one.question, background=True))
        except (QueueFull, TooMany) as busy:
            if isinstance(busy, TooMany) and busy.retry_after >= USED_UP_SECONDS:
                return {"id": one.id, "question": one.question, "error": str(busy)}
            await asyncio.sleep(min(busy.retry_after, 30.0))
        except FootnoteError as error:
            return {"id": one.id, "question": one.question, "error": str(error)}
        else:
            return {**answer, "id": one.id, "question": one.question, "asked": answer.get("question")}
    return {"id": one.id, "question": one.question, "error": "the model was busy all the time; run the batch again"}


def _write(file: BinaryIO, row: dict[str, Any]) -> None:
    file.write(json_line(row))
    file.flush()
