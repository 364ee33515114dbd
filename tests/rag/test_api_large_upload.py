"""A large upload goes to disk as it comes: memory stays flat however large it is."""

import threading
from collections.abc import AsyncIterator

import psutil
import pytest

from tests.rag.conftest import Service, client_of

pytestmark = [pytest.mark.anyio, pytest.mark.real]
PIECE = 1024**2
PIECES = 300
MOST_MORE = 100 * 1024**2


class Peak:
    """The most memory that this process held beyond what it held at the beginning, looked at all the time."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._before = self._process.memory_info().rss
        self.more = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Peak":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(0.01):
            self.more = max(self.more, self._process.memory_info().rss - self._before)


async def body() -> AsyncIterator[bytes]:
    """Three hundred megabytes, made as they are asked for."""
    for number in range(PIECES):
        yield number.to_bytes(4, "big") * (PIECE // 4)


async def test_an_upload_of_any_size_takes_no_more_than_100_mib_of_memory(service: Service) -> None:
    service.collection()
    async with client_of(service) as http:
        with Peak() as peak:
            answer = await http.post("/api/v1/collections/guides/documents?name=large.bin", content=body(), timeout=600)
    assert answer.status_code == 202, answer.text
    assert answer.json()["job"]["size"] == PIECE * PIECES
    assert peak.more < MOST_MORE
