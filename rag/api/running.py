"""Answers in progress: each runs as its own task, feeds a log that readers follow, and ends when nobody is left.

Knows neither routes nor how an answer is made. Everything here runs on the event loop's thread; nothing is locked.

Life of an answer: `start` -> events into the log -> ended -> kept for readers that come back -> forgotten.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import suppress
from typing import Final

from index.errors import FootnoteError
from rag.api import sse
from rag.api.problems import problem_for
from rag.api.wire import event_json
from rag.errors import BadRequest, NoSuchAnswer, QueueFull
from rag.events import AnswerEvent, Done, Started

logger = logging.getLogger(__name__)

KEEP_SECONDS: Final = 300.0  # how long a stream can be resumed after its end
KEEP_ANSWERS: Final = 256  # ended streams kept at most
STOP_SECONDS: Final = 5.0  # how long a stopped answer may take to say so before its task is cancelled


class RunningAnswer:
    """One answer and the log of its events. Sequence numbers are 1-based; event ids are `<key>-<sequence>`."""

    def __init__(self, path: str, owner: str = "", *, lingers: bool = True) -> None:
        self.lingers = lingers  # whether it goes on for a while once nobody reads it
        self.key = secrets.token_hex(12)
        self.path = path
        self.owner = owner  # who asked: a person's id, or empty without accounts
        self.answer: str | None = None  # known from the event `started` on
        self.events: list[AnswerEvent] = []
        self.error: BaseException | None = None
        self.ended_at: float | None = None  # monotonic seconds
        self.readers = 0
        self.stopping = False
        self.task: asyncio.Task[None] | None = None
        self._frames: list[bytes] = []
        self._changed = asyncio.Event()

    @property
    def ended(self) -> bool:
        return self.ended_at is not None

    def take(self, event: AnswerEvent) -> None:
        """Append one event and wake the readers."""
        if isinstance(event, Started):
            self.answer = event.answer
        self.events.append(event)
        name, data = event_json(event)
        self._append(name, data)

    def fail(self, error: BaseException) -> None:
        """End with the event `error`, which carries a problem document."""
        self.error = error
        self._append("error", problem_for(error, self.path).body())

    def end(self) -> None:
        """No event follows."""
        self.ended_at = time.monotonic()
        self._wake()

    async def begun(self, seconds: float) -> None:
        """Wait until there is an event or an error, at most so long. Raises the error if nothing came before it."""
        try:
            async with asyncio.timeout(seconds):
                while not self._frames and not self.ended:
                    await self._changed.wait()
        except TimeoutError:
            return
        if self.error is not None and not self.events:
            raise self.error

    async def finished(self) -> None:
        """Wait for the end. Raises what the answer ended with, if it failed."""
        while not self.ended:
            await self._changed.wait()
        if self.error is not None:
            raise self.error

    async def follow(self, after: int = 0) -> AsyncGenerator[AnswerEvent, None]:
        """The events from number `after` + 1 on as values. Raises what the answer ended with, if it failed."""
        position = after
        while True:
            while position < len(self.events):
                position += 1
                yield self.events[position - 1]
            if self.ended:
                break
            await self._changed.wait()
        if self.error is not None:
            raise self.error

    async def frames(self, after: int = 0) -> AsyncGenerator[bytes, None]:
        """The events from number `after` + 1 on as bytes, all that has gathered in one piece."""
        position = max(0, after)
        while True:
            if position < len(self._frames):
                ready = b"".join(self._frames[position:])
                position = len(self._frames)
                yield ready
                continue
            if self.ended:
                return
            await self._changed.wait()

    def _append(self, name: str, data: object) -> None:
        self._frames.append(sse.frame(name, data, id=f"{self.key}-{len(self._frames) + 1}"))
        self._wake()

    def _wake(self) -> None:
        # Whoever waits holds the old event: setting it wakes all of them, and later waiters wait on the new one.
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


class RunningAnswers:
    """All answers in progress and those that ended lately; at most `limit` run at once.

    `stop` tells the answerer to end an answer in an orderly way: it still says `done`, with the text so far.
    """

    def __init__(self, limit: int, linger_seconds: float, stop: Callable[[str], object]) -> None:
        self._limit = limit
        self._linger = linger_seconds
        self._stop_answer = stop
        self._draining = False
        self._by_key: dict[str, RunningAnswer] = {}
        self._watches: set[asyncio.Task[None]] = set()

    def start(
        self, source: AsyncIterator[AnswerEvent], path: str, owner: str = "", *, lingers: bool = True
    ) -> RunningAnswer:
        """Run an answer with one reader, its asker. Raises QueueFull when too many are in progress."""
        self._sweep()
        if self._draining:
            raise QueueFull("the server is being stopped and takes no new questions; ask again in a few seconds", 5.0)
        if self.running >= self._limit:
            raise QueueFull(
                f"{self.running} answers are in progress and {self._limit} are allowed; ask again in a few seconds", 5.0
            )
        running = RunningAnswer(path, owner, lingers=lingers)
        running.readers = 1
        self._by_key[running.key] = running
        running.task = asyncio.create_task(self._run(running, source), name=f"answer-{running.key}")
        return running

    @property
    def running(self) -> int:
        """How many answers are in progress."""
        return sum(1 for answer in self._by_key.values() if not answer.ended)

    def resume(
        self, last_event_id: str, answer: str | None = None, owner: str | None = None
    ) -> tuple[RunningAnswer, int]:
        """The answer that an event id belongs to and the event's number. The caller is counted as a reader.

        With `owner` it must be theirs. Raises BadRequest, NoSuchAnswer.
        """
        self._sweep()
        key, _, number = last_event_id.rpartition("-")
        found = self._by_key.get(key)
        if not number.isdecimal() or len(number) > 9:
            raise BadRequest(f"Last-Event-ID is {last_event_id!r}, but an id of an event of this stream was wanted")
        foreign = found is not None and owner is not None and found.owner != owner
        if found is None or foreign or (answer is not None and found.answer != answer):
            raise NoSuchAnswer("this stream has ended more than 5 minutes ago or never was; ask again")
        found.readers += 1
        return found, int(number)

    def attach(self, answer: str) -> RunningAnswer:
        """The answer of this id. The caller is counted as a reader."""
        found = self._find(answer)
        if found is None:
            raise NoSuchAnswer(f"answer {answer!r} has no stream: it ended more than 5 minutes ago or never was")
        found.readers += 1
        return found

    def leave(self, running: RunningAnswer) -> None:
        """A reader is gone. When it was the last, the answer ends, at once or after the linger time."""
        running.readers -= 1
        if running.readers > 0 or running.ended:
            return
        if self._linger > 0 and running.lingers:
            self._watch(self._end_if_deserted(running))
        else:
            self._stop(running)

    def stop(self, answer: str) -> None:
        """End an answer by id. One that has ended or never was is no error."""
        found = self._find(answer)
        if found is not None and not found.ended:
            self._stop(found)

    async def drain(self, seconds: float) -> None:
        """Take no new answers, let those that run come to their end for so long, then stop the rest."""
        self._draining = True
        tasks = [running.task for running in self._by_key.values() if running.task is not None and not running.ended]
        if tasks and seconds > 0:
            await asyncio.wait(tasks, timeout=seconds)
        self.stop_all()

    def stop_all(self) -> None:
        """End every answer: the server is going down."""
        for running in list(self._by_key.values()):
            if not running.ended:
                self._stop(running)

    async def close(self) -> None:
        """Stop everything and wait until it has ended."""
        self.stop_all()
        tasks = [running.task for running in self._by_key.values() if running.task is not None]
        await asyncio.gather(*tasks, return_exceptions=True)
        for watch in list(self._watches):
            watch.cancel()

    async def _run(self, running: RunningAnswer, source: AsyncIterator[AnswerEvent]) -> None:
        """The task of one answer: whatever happens, the log ends with `done` or `error`."""
        try:
            async for event in source:
                running.take(event)
        except asyncio.CancelledError:
            if running.events and not isinstance(running.events[-1], Done):
                running.take(Done(running.answer or "", "stopped", 0.0, ""))
        except FootnoteError as error:
            running.fail(error)
        except Exception as error:  # noqa: BLE001
            # The border: readers get a problem document without internals, the log gets the traceback.
            running.fail(error)
        finally:
            running.end()
            close = getattr(source, "aclose", None)
            if close is not None:
                await close()

    def _stop(self, running: RunningAnswer) -> None:
        if running.stopping:
            return
        running.stopping = True
        if running.answer is None:
            assert running.task is not None
            running.task.cancel()
            return
        with suppress(NoSuchAnswer):  # it has said its last word, and its task is about to end
            self._stop_answer(running.answer)
        self._watch(self._cancel_late(running))

    async def _cancel_late(self, running: RunningAnswer) -> None:
        await asyncio.sleep(STOP_SECONDS)
        if not running.ended and running.task is not None:
            logger.warning("an answer did not stop within %.0f s and was cancelled", STOP_SECONDS)
            running.task.cancel()

    async def _end_if_deserted(self, running: RunningAnswer) -> None:
        await asyncio.sleep(self._linger)
        if running.readers <= 0 and not running.ended:
            self._stop(running)

    def _watch(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._watches.add(task)
        task.add_done_callback(self._watches.discard)

    def _find(self, answer: str) -> RunningAnswer | None:
        self._sweep()
        return next((running for running in self._by_key.values() if running.answer == answer), None)

    def _sweep(self) -> None:
        """Forget what ended long ago, and the oldest of what ended when there is too much of it."""
        now = time.monotonic()
        ended = sorted((r.ended_at, r.key) for r in self._by_key.values() if r.ended_at is not None)
        surplus = len(ended) - KEEP_ANSWERS
        for position, (ended_at, key) in enumerate(ended):
            if position < surplus or now - ended_at > KEEP_SECONDS:
                del self._by_key[key]
