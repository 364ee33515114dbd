"""A server in this process over real storage with a scripted model, for tests of pages that need no real one."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from rag.api.server import create_server
from rag.serve import listening
from tests.rag.conftest import Service


@contextmanager
def served(service: Service) -> Iterator[str]:
    """The address of the service while the block runs."""
    config = uvicorn.Config(create_server(service.app), log_config=None, ws="none", lifespan="on")
    server = uvicorn.Server(config)
    with listening("127.0.0.1", 0) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
