"""Events reach their reader in order, joined while unread, and one call wakes all readers of an event loop."""

import asyncio

from rag.llm.generator import Finished, GenerationEvent, TextDelta, Usage
from rag.llm.outbox import Outbox, wake

END = Finished("stop", Usage(1, 0, 1))


async def _read(outbox: Outbox) -> list[GenerationEvent]:
    found: list[GenerationEvent] = []
    while not found or not isinstance(found[-1], Finished):
        found.append(await outbox.get())
    return found


class CountingLoop(asyncio.SelectorEventLoop):
    """Counts how often another thread calls it."""

    calls = 0

    def call_soon_threadsafe(self, *args, **options):
        self.calls += 1
        return super().call_soon_threadsafe(*args, **options)


def test_one_call_wakes_all_readers_of_a_loop() -> None:
    async def several() -> int:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, CountingLoop)
        outboxes = [Outbox(loop) for _ in range(8)]
        readers = [asyncio.create_task(_read(outbox)) for outbox in outboxes]
        await asyncio.sleep(0)  # the readers wait
        before = loop.calls
        for number, outbox in enumerate(outboxes):
            outbox.add(TextDelta(str(number)))
        assert loop.calls == before
        wake(outboxes)
        calls = loop.calls - before
        wake(outboxes)
        assert loop.calls - before == calls  # nothing was added since
        for outbox in outboxes:
            outbox.put(END)
        for number, reader in enumerate(readers):
            assert await reader == [TextDelta(str(number)), END]
        return calls

    with asyncio.Runner(loop_factory=CountingLoop) as runner:
        assert runner.run(several()) == 1


def test_what_was_added_is_read_by_one_who_comes_before_the_call() -> None:
    async def one() -> None:
        outbox = Outbox(asyncio.get_running_loop())
        outbox.add(TextDelta("a"))
        outbox.add(TextDelta("b"))
        assert await outbox.get() == TextDelta("ab")
        wake([outbox])
        outbox.put(END)
        assert await outbox.get() == END

    asyncio.run(one())


def test_a_reader_whose_loop_has_ended_has_left() -> None:
    loop = asyncio.new_event_loop()
    outbox, other = Outbox(loop), Outbox(loop)
    loop.close()
    outbox.add(TextDelta("unheard"))
    wake([outbox, other])
    assert outbox.left
    assert not other.left  # nothing was said to it
