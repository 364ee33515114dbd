"""Answers in progress: followed, resumed, stopped, and never left running for nobody."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import pytest

from rag.api import sse
from rag.api.running import RunningAnswer, RunningAnswers
from rag.errors import BadRequest, GenerationFailed, NoSuchAnswer, NoSuchModel, QueueFull
from rag.events import AnswerEvent, Delta, Done, Started, Waiting

pytestmark = pytest.mark.anyio


class SlowAnswerer:
    """Says one word at a time until it is stopped, as the real one does; counts what is open."""

    def __init__(self, words: int = 1000, pause: float = 0.005) -> None:
        self.words = words
        self.pause = pause
        self.open = 0
        self.stopped: set[str] = set()

    def stop(self, answer: str) -> None:
        self.stopped.add(answer)

    async def answer(self, name: str = "a_1", fail_after: int | None = None) -> AsyncIterator[AnswerEvent]:
        self.open += 1
        try:
            yield Waiting(1, 0.1)
            yield Started(name, "v_1", "scripted", "question")
            said = 0
            while said < self.words and name not in self.stopped:
                if said == fail_after:
                    raise GenerationFailed("the model failed; ask again")
                yield Delta(said, "x")
                said += 1
                await asyncio.sleep(self.pause)
            yield Done(name, "stopped" if name in self.stopped else "answered", 0.5, "t_1")
        finally:
            self.open -= 1


def parsed(raw: bytes) -> list[tuple[str, str, dict[str, object]]]:
    """(id, event, data) of each frame; comments are left out."""
    found = []
    for block in raw.decode().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if lines:
            found.append((lines["id"], lines["event"], json.loads(lines["data"])))
    return found


async def read(running: RunningAnswer, after: int = 0) -> bytes:
    return b"".join([piece async for piece in running.frames(after)])


async def until_started(running: RunningAnswer) -> None:
    async for event in running.follow():
        if isinstance(event, Started):
            return


async def test_a_reader_gets_every_event_in_order_with_ids() -> None:
    answerer = SlowAnswerer(words=20, pause=0)
    answers = RunningAnswers(10, 0, answerer.stop)
    running = answers.start(answerer.answer(), "/ask")
    events = parsed(await read(running))
    assert [name for _, name, _ in events] == ["queued", "started", *["delta"] * 20, "done"]
    assert [number.rpartition("-")[2] for number, _, _ in events] == [str(n + 1) for n in range(23)]
    answers.leave(running)
    await answers.close()


async def test_a_stream_resumes_after_the_last_event_seen() -> None:
    answerer = SlowAnswerer(words=20, pause=0)
    answers = RunningAnswers(10, 0, answerer.stop)
    running = answers.start(answerer.answer(), "/ask")
    events = parsed(await read(running))
    answers.leave(running)
    again, seen = answers.resume(events[7][0])
    assert again is running
    assert parsed(await read(again, seen)) == events[8:]
    answers.leave(again)
    assert answers.attach("a_1") is running


async def test_ids_that_are_not_ours_are_refused() -> None:
    answerer = SlowAnswerer(words=1, pause=0)
    answers = RunningAnswers(10, 0, answerer.stop)
    running = answers.start(answerer.answer(), "/ask")
    await running.finished()
    for wrong in ("", "x", f"{running.key}-", f"{running.key}-x", f"{running.key}-99999999999"):
        with pytest.raises(BadRequest):
            answers.resume(wrong)
    with pytest.raises(NoSuchAnswer):
        answers.resume("000000-3")
    with pytest.raises(NoSuchAnswer):
        answers.resume(f"{running.key}-1", "another answer")
    with pytest.raises(NoSuchAnswer):
        answers.attach("nobody")
    answers.stop("nobody")  # stopping is idempotent


async def test_invariant_11_an_answer_ends_when_its_client_leaves() -> None:
    answerer = SlowAnswerer()
    answers = RunningAnswers(10, 0, answerer.stop)
    running = answers.start(answerer.answer(), "/ask")
    await until_started(running)
    answers.leave(running)
    async with asyncio.timeout(1):
        await running.finished()
    assert answerer.open == 0
    assert isinstance(running.events[-1], Done)
    assert running.events[-1].status == "stopped"


async def test_a_client_that_leaves_before_the_start_ends_the_answer_too() -> None:
    async def never() -> AsyncIterator[AnswerEvent]:
        await asyncio.sleep(60)
        yield Waiting(0, 0)

    answers = RunningAnswers(10, 0, lambda _: None)
    running = answers.start(never(), "/ask")
    await asyncio.sleep(0)
    answers.leave(running)
    async with asyncio.timeout(30):
        await running.finished()
    assert running.ended
    assert running.events == []


async def test_with_a_linger_time_a_client_can_come_back() -> None:
    answerer = SlowAnswerer()
    answers = RunningAnswers(10, 0.2, answerer.stop)
    running = answers.start(answerer.answer(), "/ask")
    await until_started(running)
    answers.leave(running)
    await asyncio.sleep(0.05)
    assert answers.attach("a_1") is running
    await asyncio.sleep(0.25)
    assert not running.ended
    answers.leave(running)
    async with asyncio.timeout(2):
        await running.finished()
    await answers.close()


async def test_an_answer_that_was_not_asked_to_linger_ends_at_once() -> None:
    answerer = SlowAnswerer()
    answers = RunningAnswers(10, 3600, answerer.stop)
    running = answers.start(answerer.answer(), "/ask", lingers=False)
    await until_started(running)
    answers.leave(running)
    async with asyncio.timeout(30):
        await running.finished()
    assert running.ended
    assert answerer.open == 0
    await answers.close()


async def test_two_readers_see_the_same_and_the_last_one_to_leave_ends_it() -> None:
    answerer = SlowAnswerer()
    answers = RunningAnswers(10, 0, answerer.stop)
    running = answers.start(answerer.answer(), "/ask")
    await until_started(running)
    answers.attach("a_1")
    answers.leave(running)
    await asyncio.sleep(0.02)
    assert not running.ended
    answers.leave(running)
    await running.finished()


async def test_invariant_10_answers_in_progress_are_bounded() -> None:
    answerer = SlowAnswerer()
    answers = RunningAnswers(2, 0, answerer.stop)
    first = answers.start(answerer.answer("a_1"), "/ask")
    answers.start(answerer.answer("a_2"), "/ask")
    with pytest.raises(QueueFull):
        answers.start(answerer.answer("a_3"), "/ask")
    await until_started(first)
    answers.stop("a_1")
    await first.finished()
    answers.start(answerer.answer("a_3"), "/ask")
    await answers.close()
    assert answerer.open == 0


async def test_an_error_before_the_first_event_is_raised_and_later_ones_are_events() -> None:
    async def refused() -> AsyncIterator[AnswerEvent]:
        raise NoSuchModel("no model 'x'")
        yield

    answers = RunningAnswers(10, 0, lambda _: None)
    with pytest.raises(NoSuchModel):
        await answers.start(refused(), "/ask").begun(1)
    answerer = SlowAnswerer(pause=0)
    running = answers.start(answerer.answer(fail_after=3), "/ask")
    await running.begun(1)
    events = parsed(await read(running))
    assert events[-1][1] == "error"
    assert events[-1][2]["status"] == 502
    assert events[-1][2]["detail"] == "the model failed; ask again"
    with pytest.raises(GenerationFailed):
        await running.finished()


async def test_an_unexpected_error_in_a_stream_tells_no_internals() -> None:
    async def broken() -> AsyncIterator[AnswerEvent]:
        yield Waiting(0, 0)
        raise ZeroDivisionError("secret")

    answers = RunningAnswers(10, 0, lambda _: None)
    raw = await read(answers.start(broken(), "/ask"))
    assert b"secret" not in raw
    assert parsed(raw)[-1][2]["status"] == 500


async def test_an_answer_that_ignores_a_stop_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag.api.running.STOP_SECONDS", 0.05)
    answerer = SlowAnswerer()
    answers = RunningAnswers(10, 0, lambda _: None)
    running = answers.start(answerer.answer(), "/ask")
    await until_started(running)
    answers.stop("a_1")
    async with asyncio.timeout(2):
        await running.finished()
    assert running.events[-1] == Done("a_1", "stopped", 0.0, "")
    assert answerer.open == 0


async def test_silence_is_filled_with_comments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "KEEP_ALIVE_SECONDS", 0.02)

    async def slow() -> AsyncIterator[AnswerEvent]:
        await asyncio.sleep(0.1)
        yield Done("a", "answered", 1.0, "t")

    running = RunningAnswers(10, 0, lambda _: None).start(slow(), "/ask")
    sent = await whole(sse.EventStream(running.frames()))
    raw = b"".join(sent)
    assert raw.startswith(sse.KEEP_ALIVE * 2)
    assert raw.count(sse.KEEP_ALIVE) <= 5
    assert parsed(raw)[-1][1] == "done"
    assert sent[-1] == b""


async def whole(stream: sse.EventStream) -> list[bytes]:
    """What a connection is given, of a client that stays to the end."""
    sent: list[bytes] = []

    async def receive() -> Any:
        await asyncio.Event().wait()

    async def send(message: Any) -> None:
        sent.append(message.get("body", b""))

    await stream.to_asgi_response(None, None)({}, receive, send)  # type: ignore[arg-type,typeddict-item]
    return sent[1:]


async def test_a_slow_send_is_never_interrupted_by_a_keep_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "KEEP_ALIVE_SECONDS", 0.01)
    sent: list[bytes] = []

    async def frames() -> AsyncGenerator[bytes, None]:
        yield b"one"
        yield b"two"

    async def receive() -> Any:
        await asyncio.Event().wait()

    async def send(message: Any) -> None:
        await asyncio.sleep(0.05)
        sent.append(message.get("body", b""))

    await sse.EventStream(frames()).to_asgi_response(None, None)({}, receive, send)  # type: ignore[arg-type,typeddict-item]
    assert sent[1:] == [b"one", b"two", b""]


async def test_a_client_that_leaves_ends_the_stream_at_once() -> None:
    closed: list[str] = []

    async def frames() -> AsyncGenerator[bytes, None]:
        try:
            yield b"one"
            await asyncio.Event().wait()
        finally:
            closed.append("frames")

    async def receive() -> Any:
        await asyncio.sleep(0.02)
        return {"type": "http.disconnect"}

    async def send(_message: Any) -> None: ...

    stream = sse.EventStream(frames(), on_close=lambda: closed.append("stream"))
    async with asyncio.timeout(2):
        await stream.to_asgi_response(None, None)({}, receive, send)  # type: ignore[arg-type,typeddict-item]
    assert sorted(closed) == ["frames", "stream"]


async def test_ended_streams_are_forgotten_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag.api.running.KEEP_ANSWERS", 3)
    answerer = SlowAnswerer(words=0)
    answers = RunningAnswers(10, 0, answerer.stop)
    for number in range(6):
        await answers.start(answerer.answer(f"a_{number}"), "/ask").finished()
    with pytest.raises(NoSuchAnswer):
        answers.attach("a_0")
    answers.attach("a_5")
    monkeypatch.setattr("rag.api.running.KEEP_SECONDS", 0.0)
    with pytest.raises(NoSuchAnswer):
        answers.attach("a_5")


def test_no_text_can_forge_a_frame() -> None:
    evil = "x\n\nevent: done\ndata: {}\r\n\r"
    raw = sse.frame("delta", {"start": 0, "text": evil}, id="k-1")
    events = parsed(raw)
    assert len(events) == 1
    assert events[0][2]["text"] == evil
    assert raw.count(b"\n") == 4


async def test_at_the_end_answers_come_to_theirs_and_new_ones_are_refused() -> None:
    answerer = SlowAnswerer(words=20, pause=0.002)
    answers = RunningAnswers(10, 0, answerer.stop)
    running = answers.start(answerer.answer(), "/ask")
    await until_started(running)
    draining = asyncio.create_task(answers.drain(60))
    await asyncio.sleep(0)
    with pytest.raises(QueueFull, match="is being stopped"):
        answers.start(answerer.answer("a_2"), "/ask")
    await draining
    assert isinstance(running.events[-1], Done)
    assert running.events[-1].status == "answered"
    await answers.close()


async def test_an_answer_that_takes_too_long_at_the_end_is_stopped() -> None:
    answerer = SlowAnswerer(words=1_000_000)
    answers = RunningAnswers(10, 0, answerer.stop)
    running = answers.start(answerer.answer(), "/ask")
    await until_started(running)
    await answers.drain(0.05)
    await running.finished()
    assert isinstance(running.events[-1], Done)
    assert running.events[-1].status == "stopped"
    await answers.close()
