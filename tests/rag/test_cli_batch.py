"""A file of questions: answered some at a time, resumed after any end, never answered twice. No model."""

import asyncio
import json

import pytest
from click.testing import CliRunner

from rag.access.errors import TooMany
from rag.answer import Ask
from rag.budget import USED_UP_SECONDS
from rag.cli import main
from rag.cli.batching import answer_batch, read_questions
from rag.errors import BadRequest, GenerationFailed, QueueFull

TEMPLATE = Ask("", ("c_1",), model="m")


class Desk:
    """Answers with the question in capitals; counts what runs at a time."""

    def __init__(self, *errors):
        self.asked, self.errors = [], list(errors)
        self.running = self.most = 0

    async def __call__(self, ask):
        self.asked.append(ask)
        self.running += 1
        self.most = max(self.most, self.running)
        await asyncio.sleep(0.001)
        self.running -= 1
        if self.errors and (error := self.errors.pop(0)) is not None:
            raise error
        return {"text": ask.question.upper(), "question": ask.question}


def questions(tmp_path, *rows):
    path = tmp_path / "in.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return read_questions(path)


def run(asked, target, desk, at_once=3):
    return asyncio.run(answer_batch(asked, target, TEMPLATE, desk, at_once=at_once))


def rows(target):
    return {row["id"]: row for row in map(json.loads, target.read_text().splitlines())}


def test_every_question_is_answered_once_some_at_a_time(tmp_path):
    asked = questions(tmp_path, *({"question": f"q{n}"} for n in range(20)), {"id": "own", "question": "mine"})
    target, desk = tmp_path / "out.jsonl", Desk()
    assert run(asked, target, desk) == {"answered": 21, "failed": 0, "before": 0}
    assert desk.most == 3
    assert rows(target)["own"]["text"] == "MINE"
    assert rows(target)["1"]["text"] == "Q0"
    assert all(ask.background and ask.model == "m" and ask.collections == ("c_1",) for ask in desk.asked)
    assert run(asked, target, desk) == {"answered": 0, "failed": 0, "before": 21}
    assert len(desk.asked) == 21


def test_it_goes_on_after_every_byte_that_was_written(tmp_path):
    asked = questions(tmp_path, *({"question": f"q{n}"} for n in range(3)))
    whole, target = tmp_path / "whole.jsonl", tmp_path / "out.jsonl"
    run(asked, whole, Desk(), at_once=1)
    data = whole.read_bytes()
    for length in range(len(data)):
        target.write_bytes(data[:length])
        desk = Desk()
        told = run(asked, target, desk, at_once=1)
        assert told["before"] == data[:length].count(b"\n")
        assert len(desk.asked) == 3 - told["before"]
        assert target.read_bytes() == data


def test_a_failed_question_is_told_and_asked_again_the_next_time(tmp_path):
    asked = questions(tmp_path, {"question": "a"}, {"question": "b"})
    target = tmp_path / "out.jsonl"
    assert run(asked, target, Desk(GenerationFailed("it broke")), at_once=1)["failed"] == 1
    assert rows(target)["1"]["error"] == "it broke"
    assert run(asked, target, Desk()) == {"answered": 1, "failed": 0, "before": 1}
    assert rows(target)["1"]["text"] == "A"


def test_a_busy_model_is_waited_for(tmp_path):
    desk = Desk(QueueFull("full", 0.001), QueueFull("full", 0.001))
    assert run(questions(tmp_path, {"question": "a"}), tmp_path / "out.jsonl", desk)["answered"] == 1
    assert len(desk.asked) == 3


def test_a_budget_that_is_used_up_fails_the_rest_and_one_that_may_suffice_is_waited_for(tmp_path):
    desk = Desk(TooMany("it may be used up", 0.001), None, TooMany("it is used up", USED_UP_SECONDS))
    target = tmp_path / "out.jsonl"
    told = run(questions(tmp_path, {"question": "a"}, {"question": "b"}), target, desk, at_once=1)
    assert told == {"answered": 1, "failed": 1, "before": 0}
    assert rows(target)["2"]["error"] == "it is used up"


@pytest.mark.parametrize("command", [["ask", "what?"], ["search", "what"]])
def test_a_collection_is_looked_up_before_any_model_is_opened(tmp_path, command):
    done = CliRunner().invoke(main, ["--data", str(tmp_path), *command, "-c", "guidse"])
    assert done.exit_code == 1
    assert "guidse" in done.stderr
    assert not (tmp_path / "models").exists()


def test_answers_are_for_a_person_that_exists(tmp_path):
    at = ["--data", str(tmp_path)]
    assert CliRunner().invoke(main, [*at, "collections", "create", "x"]).exit_code == 0
    done = CliRunner().invoke(main, [*at, "ask", "what?", "-c", "x", "--person", "nobody"])
    assert done.exit_code == 1
    assert "nobody" in done.stderr
    assert not (tmp_path / "models").exists()


def test_another_question_under_a_known_id_is_asked(tmp_path):
    target = tmp_path / "out.jsonl"
    run(questions(tmp_path, {"question": "a"}), target, Desk())
    assert run(questions(tmp_path, {"question": "b"}), target, Desk())["answered"] == 1


@pytest.mark.parametrize("line", ["{", "[]", '{"q": 1}', '{"question": 3}'])
def test_a_line_that_is_no_question_is_named_before_anything_is_asked(tmp_path, line):
    path = tmp_path / "in.jsonl"
    path.write_text(f'{{"question": "fine"}}\n\n{line}\n')
    with pytest.raises(BadRequest, match="line 3 of "):
        read_questions(path)
    path.write_text('{"id": 1, "question": "a"}\n{"id": "1", "question": "b"}\n')
    with pytest.raises(BadRequest, match="the id '1' for the second time"):
        read_questions(path)


def test_a_file_that_holds_something_else_is_not_written_over(tmp_path):
    target = tmp_path / "out.jsonl"
    target.write_text("my diary\n")
    with pytest.raises(BadRequest, match="not from a batch before"):
        run(questions(tmp_path, {"question": "a"}), target, Desk())
    assert target.read_text() == "my diary\n"


def test_a_question_or_a_batch_but_not_both(tmp_path):
    for more in ([], ["what?", "--batch", __file__, str(tmp_path / "o")]):
        done = CliRunner().invoke(main, ["--data", str(tmp_path), "ask", "-c", "x", *more])
        assert done.exit_code == 1
        assert "give either a question or --batch" in done.stderr
