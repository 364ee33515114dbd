"""Run the service: one API process that owns the data folder, with worker processes beside it. Knows no route."""

import errno
import fcntl
import ipaddress
import logging
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import uvicorn
from litestar import Litestar

from index.database import Database
from rag.api.connection import BoundedHead
from rag.api.server import create_server
from rag.app import build_app, check_data_folder, open_access
from rag.errors import AddressInUse, DataFolderInUse, NotLoopback, SettingsError
from rag.optimizing import BackgroundOptimizer
from rag.settings import Settings

logger = logging.getLogger(__name__)

LOCK_NAME: Final = "footnote.lock"
DRAIN_SECONDS: Final = 5  # how long open connections may take at the end
WORKER_STOP_SECONDS: Final = 15.0  # how long a worker may take to put its work down
_BACKLOG: Final = 2048
_LOOK_SECONDS: Final = 0.2
_FIRST_BACKOFF_SECONDS: Final = 0.5
_LONGEST_BACKOFF_SECONDS: Final = 30.0
_HEALTHY_SECONDS: Final = 60.0  # a worker that lived so long had no trouble starting


def run_server(
    settings: Settings, *, on_ready: Callable[[str], None] | None = None, origin: Mapping[str, str] | None = None
) -> None:
    """Serve until SIGINT or SIGTERM. `on_ready` gets the address once requests are answered.

    Raises NotLoopback, AddressInUse, DataFolderUnusable, DataFolderInUse and what `build_app` raises; by then nothing
    runs any more.
    """
    check_data_folder(settings.data)
    scheme = check_certificate(settings)
    if not is_loopback(settings.server_host):
        check_accounts(settings)
    with owned(settings.data), listening(settings.server_host, settings.server_port) as listener:
        app = build_app(settings, origin)
        try:
            app.start()
            workers = Workers(worker_command(settings), settings.server_workers)
            optimizer = BackgroundOptimizer(app.models, settings)
            server = _Server(create_server(app), settings, lambda: _ready(listener, workers, scheme, on_ready))
            try:
                optimizer.start()
                server.run(sockets=[listener])
            finally:
                optimizer.close()
                workers.close()
        finally:
            app.close()


def is_loopback(host: str) -> bool:
    """Whether an address is reached from this machine only."""
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_certificate(settings: Settings) -> str:
    """ "https" when there is a certificate that fits its key, else "http". Raises SettingsError."""
    if not settings.server_tls_certificate:
        return "http"
    try:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(settings.server_tls_certificate, settings.server_tls_key or None)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(
            f"server.tls_certificate {settings.server_tls_certificate} and server.tls_key cannot be used "
            f"({error.strerror or error}); give PEM files of a certificate and its key"
        ) from error
    return "https"


def check_accounts(settings: Settings) -> None:
    """Others are served only once somebody must sign in. Raises NotLoopback, DatabaseUnusable."""
    database = Database(settings.resolved_database_url)
    try:
        database.migrate()
        in_use = open_access(settings, database).in_use
    finally:
        database.close()
    if not in_use:
        raise NotLoopback(
            f"{settings.server_host} can be reached from other machines, and there is no account yet, so anyone could "
            "read everything; make an owner with `footnote users create-owner NAME`, or bind 127.0.0.1"
        )


@contextmanager
def owned(folder: Path) -> Iterator[None]:
    """Hold the data folder: a second server on it would fight over its views. Raises DataFolderInUse.

    The kernel gives the lock back when the process ends, however it ends.
    """
    descriptor = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
            raise DataFolderInUse(
                f"another server{f' (process {holder})' if holder else ''} works on the data folder {folder}; "
                "stop it, or choose another folder with --data"
            ) from error
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """A listening socket, taken before anything slow is done. Port 0 takes any free one. Raises AddressInUse."""
    name = host.strip("[]")
    family = socket.AF_INET6 if ":" in name else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        # A restart must not wait for old connections to expire; two listeners are refused all the same.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((name, port))
            listener.listen(_BACKLOG)
        except OSError as error:
            raise AddressInUse(_why_not_bound(host, port, error)) from error
        yield listener


def _why_not_bound(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} of {host} is in use by another program; stop it, or choose another port with --port"
    if error.errno == errno.EACCES:
        return f"port {port} of {host} needs more rights than this user has; choose one above 1023 with --port"
    return f"port {port} of {host} cannot be bound ({error.strerror}); choose another with --host and --port"


def worker_command(settings: Settings) -> Sequence[str]:
    """How one worker of this server is started. It ends when this process does, however that happens."""
    data = str(settings.data.resolve())
    return (sys.executable, "-m", "rag.cli", "--data", data, "worker", "--parent", str(os.getpid()))


@dataclass
class _Place:
    """One worker's place: the process in it and when it may be filled again."""

    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    start_after: float = 0.0
    backoff: float = _FIRST_BACKOFF_SECONDS


class Workers:
    """Keeps `count` processes of one command running. One that ends is started again, later each time it fails soon."""

    def __init__(self, command: Sequence[str], count: int) -> None:
        self._command = list(command)
        self._places = [_Place() for _ in range(count)]
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="workers", daemon=True)

    def start(self) -> None:
        """Start them, and watch over them from a thread."""
        self._thread.start()

    @property
    def pids(self) -> list[int]:
        """The processes that run now."""
        return [p.process.pid for p in self._places if p.process is not None and p.process.poll() is None]

    def close(self) -> None:
        """Let every worker put its work down, then end it. Safe to call when nothing was started."""
        self._ending.set()
        if self._thread.ident is not None:
            self._thread.join()
        running = [place.process for place in self._places if place.process is not None]
        for process in running:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        until = time.monotonic() + WORKER_STOP_SECONDS
        for process in running:
            try:
                process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                logger.warning("worker %d did not stop in time and is killed; its work is taken up again", process.pid)
                process.kill()
                process.wait()

    def _watch(self) -> None:
        while not self._ending.is_set():
            for place in self._places:
                self._look_at(place)
            self._ending.wait(_LOOK_SECONDS)

    def _look_at(self, place: _Place) -> None:
        now = time.monotonic()
        if place.process is not None:
            code = place.process.poll()
            if code is None:
                return
            lived = now - place.started_at
            place.backoff = (
                _FIRST_BACKOFF_SECONDS if lived > _HEALTHY_SECONDS else min(place.backoff * 2, _LONGEST_BACKOFF_SECONDS)
            )
            logger.warning("a worker ended with code %d and is started again in %.1f s", code, place.backoff)
            place.process, place.start_after = None, now + place.backoff
        if now >= place.start_after:
            # A session of its own: Ctrl+C reaches only the server, which then ends its workers in order.
            place.process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, start_new_session=True)
            place.started_at = now


class _Server(uvicorn.Server):
    """Uvicorn that says when it is ready, and ends running answers before it waits for connections."""

    def __init__(self, server: Litestar, settings: Settings, ready: Callable[[], None]) -> None:
        config = uvicorn.Config(
            server,
            http=BoundedHead,
            ssl_certfile=settings.server_tls_certificate or None,
            ssl_keyfile=settings.server_tls_key or None,
            log_config=None,
            access_log=False,  # the guard writes a line without query strings, which may hold questions
            server_header=False,
            proxy_headers=False,
            ws="none",
            lifespan="on",
            timeout_graceful_shutdown=DRAIN_SECONDS,
            log_level=max(logging.WARNING, logging.getLevelName(settings.log_level.upper())),
        )
        super().__init__(config)
        self._application = server
        self._drain_seconds = settings.server_drain_seconds
        self._ready = ready

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """End in order on the signals of an end. Uvicorn raises them anew afterwards, which would skip our own end."""
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._application.state.running.drain(self._drain_seconds)
        await super().shutdown(sockets)


def _ready(listener: socket.socket, workers: Workers, scheme: str, on_ready: Callable[[str], None] | None) -> None:
    """Workers start now and not earlier, so that they do not slow the start down."""
    workers.start()
    host, port = listener.getsockname()[:2]
    if on_ready is not None:
        on_ready(f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}")
