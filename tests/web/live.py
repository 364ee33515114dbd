"""A server in this process over real storage with a scripted model, for tests that need no real one."""

import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import httpx
import uvicorn

from rag.api.server import create_server
from rag.serve import listening
from tests.rag.conftest import Http, Service


@contextmanager
def served(service: Service) -> Iterator[str]:
    """The address of the service while the block runs."""
    app = create_server(service.app)
    service.running = app.state.running
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, ws="none", lifespan="on"))
    with listening("127.0.0.1", 0) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@asynccontextmanager
async def over_socket(service: Service) -> AsyncIterator[Http]:
    """A client over a real socket: only there does a response arrive piece by piece."""
    with served(service) as address:
        async with httpx.AsyncClient(base_url=address, timeout=30) as client:
            yield client
