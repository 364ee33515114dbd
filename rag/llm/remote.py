"""How any remote model is spoken to: time limits, retries, and errors in one clear line. Knows no vendor.

Rules: a refused request is tried again within the time budget, but only until the remote end has accepted one, so
that nothing is paid twice; silence is measured on content, keep-alives do not count; no error shows what the remote
end or the library wrote, since that may hold keys or text.
"""

import asyncio
import logging
import math
import random
import re
import time
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, Generic, Protocol, TypeVar

from rag.errors import AnswerError, ContextTooLong, GenerationFailed, ModelUnavailable
from rag.llm.breaker import Breaker
from rag.llm.generator import Finished, FinishReason, GenerationEvent, GenerationRequest, TextDelta, Usage

logger = logging.getLogger(__name__)

CONNECT_SECONDS = 5.0
ATTEMPTS = 3
LONGEST_WISH = 3600.0  # seconds of rest that are obeyed at most
TAIL_SECONDS = 3.0  # how long usage figures may follow the end of the text
Client = TypeVar("Client")
_REFUSED_FOR_NOW = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_TOO_LONG = frozenset({"context_length_exceeded", "request_too_large"})


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a remote call failed, without the words of the other side. `status` 0: there was no answer at all.

    `code` is the vendor's short error name.
    """

    kind: str  # "connect", "timeout", "status", "cut": closed before an answer, "broken": not understood
    status: int = 0
    code: str = ""
    retry_after: float | None = None


@dataclass(slots=True)
class Step:
    """What one event of a remote stream means."""

    text: str = ""
    alive: bool = False  # the model works although there is no text, for example it thinks
    reason: FinishReason | None = None
    usage: Usage | None = None
    last: bool = False  # nothing of interest follows


class RemoteEvents(Protocol):
    """An accepted request: the vendor library's stream."""

    def __aiter__(self) -> AsyncIterator[Any]: ...

    async def close(self) -> None: ...


class Dialect(Protocol):
    """One vendor's words for the same conversation."""

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """All that the vendor's library raises when the other side misbehaves."""
        ...

    async def open(self, request: GenerationRequest) -> RemoteEvents:
        """Send the request; returns once it is accepted."""
        ...

    def step(self, event: Any) -> Step: ...

    def problem(self, error: Exception) -> Problem: ...


@dataclass(frozen=True, slots=True)
class Line:
    """Who speaks and how patient we are. `name` as in the registry, `section` as in the settings; times in seconds."""

    name: str
    section: str
    host: str
    silence: float
    breaker: Breaker = field(default_factory=Breaker)


async def converse(line: Line, dialect: Dialect, request: GenerationRequest) -> AsyncGenerator[GenerationEvent, None]:
    """One answer. Leaving the generator closes the connection."""
    deadline = time.monotonic() + line.silence
    if wait := line.breaker.wait():
        raise ModelUnavailable(
            f"{line.name} has failed repeatedly or asked for a rest; ask again in {max(1, round(wait))} s"
        )
    try:
        events = await _accepted(line, dialect, request, deadline)
    except BaseException as error:
        if not isinstance(error, AnswerError):
            line.breaker.left()
        raise
    usage, reason, spoken = Usage(), None, False
    try:
        iterator = aiter(events)
        while True:
            patience = TAIL_SECONDS if reason else line.silence if spoken else max(0.1, deadline - time.monotonic())
            step = await _next(line, dialect, iterator, patience, started=spoken, ended=reason is not None)
            if step is None:
                break
            usage = _merged(usage, step.usage)
            if step.text and reason is None:
                if not spoken:
                    line.breaker.succeeded()
                spoken = True
                yield TextDelta(step.text)
            reason = reason or step.reason
            if step.last:
                break
    except BaseException as error:
        if spoken or not isinstance(error, AnswerError):
            line.breaker.left()
        else:
            line.breaker.failed()
        raise
    finally:
        # Shielded: a cancelled reader must not leave the connection open.
        await asyncio.shield(events.close())
    if not spoken:
        (line.breaker.failed if reason is None else line.breaker.succeeded)()
    if reason is None:
        raise GenerationFailed(f"{line.name} ended its stream before the answer was complete; the text so far is kept")
    yield Finished(reason, usage)


async def _accepted(line: Line, dialect: Dialect, request: GenerationRequest, deadline: float) -> RemoteEvents:
    """Send until the request is accepted, it is refused for good, or the time budget is used up."""
    for attempt in range(1, ATTEMPTS + 1):
        problem = Problem("timeout")
        try:
            async with asyncio.timeout(max(0.1, deadline - time.monotonic())):
                return await dialect.open(request)
        except TimeoutError:
            pass
        except dialect.errors as error:
            problem = dialect.problem(error)
        pause = _pause(problem, attempt)
        if pause is None or time.monotonic() + pause >= deadline:
            _report(line.breaker, problem)
            raise _refusal(line, problem)
        logger.info("%s refused (%s %d), attempt %d follows in %.1f s", line.name, *_brief(problem), attempt + 1, pause)
        await asyncio.sleep(pause)
    raise AssertionError("the last attempt returns or raises")


def _report(breaker: Breaker, problem: Problem) -> None:
    """Refusals of this one request say nothing of the next; everything else does."""
    if problem.kind != "status" or problem.status in _REFUSED_FOR_NOW:
        breaker.failed(problem.retry_after)
    else:
        breaker.succeeded()


def _brief(problem: Problem) -> tuple[str, int]:
    return problem.kind, problem.status


def _pause(problem: Problem, attempt: int) -> float | None:
    """Seconds until the next attempt; None if there must be none.

    A request that timed out may have been accepted and paid for, so it is not sent again.
    """
    refused = problem.kind == "connect" or (problem.kind == "status" and problem.status in _REFUSED_FOR_NOW)
    if not refused or attempt >= ATTEMPTS:
        return None
    backoff = 0.25 * 2**attempt * random.uniform(0.75, 1.25)  # noqa: S311 - spreads retries, hides nothing
    return backoff if problem.retry_after is None else max(problem.retry_after, 0.0)


async def _next(
    line: Line, dialect: Dialect, iterator: AsyncIterator[Any], patience: float, *, started: bool, ended: bool
) -> Step | None:
    """The next event that means something; None at the end. Events without meaning do not prolong the patience."""
    failure = GenerationFailed if started else ModelUnavailable
    try:
        async with asyncio.timeout(patience):
            async for event in iterator:
                step = dialect.step(event)
                if step.text or step.alive or step.reason or step.usage or step.last:
                    return step
            return None
    except TimeoutError:
        if ended:
            return None
        raise failure(f"{line.name} sent no content for {patience:.0f} s; ask again later") from None
    except dialect.errors as error:
        if ended:
            return None
        problem = dialect.problem(error)
        if problem.kind == "status":
            raise failure(str(_refusal(line, problem))) from None
        raise failure(f"{line.name} broke off its stream; ask again") from None


def _refusal(line: Line, problem: Problem) -> AnswerError:
    code = f", {problem.code}" if problem.code else ""
    status = f"HTTP {problem.status}{code}"
    if problem.code in _TOO_LONG or problem.status == 413:
        return ContextTooLong(f"the prompt is too long for {line.name} ({status}); send fewer or shorter passages")
    if problem.kind == "connect":
        mend = f"check {line.section}.base_url and the network"
        return ModelUnavailable(f"{line.name} cannot be reached at {line.host}; {mend}")
    if problem.kind == "cut":
        # Not sent again: it may have been accepted, and be paid for.
        return ModelUnavailable(f"{line.name} closed the connection before it answered; ask again")
    if problem.kind == "timeout":
        return ModelUnavailable(f"{line.name} did not answer within {line.silence:.0f} s; ask again later")
    if problem.status in (401, 403):
        return ModelUnavailable(f"{line.name} refuses the key ({status}); check {line.section}.api_key")
    if problem.status == 404:
        mend = f"check {line.section}.model and {line.section}.base_url"
        return ModelUnavailable(f"{line.host} does not know this model or address ({status}); {mend}")
    if problem.status in (429, 529):
        when = "later" if problem.retry_after is None else f"in {problem.retry_after:.0f} s"
        return ModelUnavailable(f"{line.name} takes no more requests now ({status}); ask again {when}")
    if problem.status >= 500:
        return ModelUnavailable(f"{line.name} fails on its side ({status}); ask again later")
    if problem.status:
        return ModelUnavailable(f"{line.name} rejects the request ({status}); check {line.section}.model")
    return ModelUnavailable(f"{line.name} answers in an unknown form; check {line.section}.base_url")


def _merged(usage: Usage, more: Usage | None) -> Usage:
    """Figures come in parts and as running totals: the largest of each is the truth."""
    if more is None:
        return usage
    return Usage(
        max(usage.prompt_tokens, more.prompt_tokens),
        max(usage.cached_tokens, more.cached_tokens),
        max(usage.completion_tokens, more.completion_tokens),
    )


def status_problem(status: int, headers: Mapping[str, str], body: object) -> Problem:
    """A refusal with an HTTP status. Only a short error name is taken from the body."""
    inner = body.get("error", body) if isinstance(body, dict) else None
    names = [inner.get(key) for key in ("code", "type")] if isinstance(inner, dict) else []
    code = next((name for name in names if isinstance(name, str) and re.fullmatch(r"[a-z_]{1,40}", name)), "")
    return Problem("status", status, code, _wish_for_rest(headers))


def _wish_for_rest(headers: Mapping[str, str]) -> float | None:
    """Seconds by `retry-after-ms`, or by `retry-after` as seconds or as a date; an hour at most."""
    seconds = _number(headers.get("retry-after-ms"), 1000.0)
    said = headers.get("retry-after")
    if seconds is None:
        seconds = _number(said, 1.0)
    if seconds is None and said is not None:
        try:
            seconds = max(0.0, parsedate_to_datetime(said).timestamp() - time.time())
        except (ValueError, OverflowError):
            return None
    return None if seconds is None else min(seconds, LONGEST_WISH)


def _number(said: str | None, unit: float) -> float | None:
    try:
        value = float(said or "") / unit
    except ValueError:
        return None
    return value if 0.0 <= value < math.inf else None


class ClientPerLoop(Generic[Client]):
    """A vendor library's client for each event loop: its connections belong to the loop they were opened on."""

    def __init__(self, make: Callable[[], Client]) -> None:
        self._make = make
        self._clients: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Client] = weakref.WeakKeyDictionary()

    def get(self) -> Client:
        loop = asyncio.get_running_loop()
        if loop not in self._clients:
            self._clients[loop] = self._make()
        return self._clients[loop]

    def clear(self) -> None:
        self._clients.clear()
