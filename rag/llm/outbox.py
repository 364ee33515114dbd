"""Carries one answer's events from the engine's thread to the event loop that reads them. Knows no model.

Bounded without blocking: unread text is joined and only the last unread place in the queue is kept, so an outbox never
holds more than one answer. A reader that leaves events unread for longer than the lease is taken to be gone.
"""

import asyncio
import threading
import time
from collections.abc import Iterable

from rag.llm.generator import GenerationEvent, Queued, TextDelta

LEASE_SECONDS = 30.0


class Outbox:
    """One writer (any thread), one reader (the loop it was made on)."""

    __slots__ = ("_items", "_lease", "_left", "_lock", "_loop", "_reader", "_unread_since", "_wakes")

    def __init__(self, loop: asyncio.AbstractEventLoop, lease: float = LEASE_SECONDS) -> None:
        self._loop = loop
        self._lease = lease
        self._lock = threading.Lock()
        self._reader: asyncio.Future[None] | None = None  # while one waits
        self._items: list[GenerationEvent | Exception] = []
        self._unread_since: float | None = None
        self._wakes = False  # something was added to an outbox that had been read
        self._left = False

    @property
    def left(self) -> bool:
        """The reader is gone: it said so, its loop has ended, or it has read nothing for the whole lease."""
        since = self._unread_since
        return self._left or (since is not None and time.monotonic() - since > self._lease)

    def leave(self) -> None:
        """The reader reads no more. Any thread, any number of times."""
        self._left = True

    def add(self, item: GenerationEvent | Exception) -> None:
        """Hand over an event, or the error that ends the stream; `wake` then tells the reader. Never blocks."""
        with self._lock:
            last = self._items[-1] if self._items else None
            if isinstance(last, TextDelta) and isinstance(item, TextDelta):
                self._items[-1] = TextDelta(last.text + item.text, last.tokens + item.tokens)
            elif isinstance(last, Queued) and isinstance(item, Queued):
                self._items[-1] = item
            else:
                self._items.append(item)
            if self._unread_since is None:
                self._unread_since = time.monotonic()
                self._wakes = True

    def put(self, item: GenerationEvent | Exception) -> None:
        """Hand over an event and tell the reader."""
        self.add(item)
        wake((self,))

    async def get(self) -> GenerationEvent:
        """The next event; raises the error that ended the stream."""
        while True:
            with self._lock:
                if self._items:
                    item = self._items.pop(0)
                    self._unread_since = time.monotonic() if self._items else None
                    break
            # What is put from here on wakes through the loop, so it finds the future.
            self._reader = self._loop.create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        if isinstance(item, Exception):
            raise item
        return item

    def _take_loop(self) -> asyncio.AbstractEventLoop | None:
        """Where the reader is to be woken; None if it has been and has not come yet."""
        with self._lock:
            wakes, self._wakes = self._wakes, False
        return self._loop if wakes else None

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)


def wake(outboxes: Iterable[Outbox]) -> None:
    """Tell the readers of those to which something was added, once for each event loop. Never blocks, never raises."""
    readers: dict[asyncio.AbstractEventLoop, list[Outbox]] = {}
    for outbox in outboxes:
        if (loop := outbox._take_loop()) is not None:
            readers.setdefault(loop, []).append(outbox)
    for loop, woken in readers.items():
        try:
            loop.call_soon_threadsafe(_wake_all, woken)
        except RuntimeError:  # the loop is closed
            for outbox in woken:
                outbox.leave()


def _wake_all(outboxes: Iterable[Outbox]) -> None:
    for outbox in outboxes:
        outbox._wake()
