"""Parses each file in a child process with limits and survives whatever the file does to it. Knows no formats.

A warm child serves many files, because starting Python and the parsers costs more than most files. It is replaced
after any failure that could have left it changed, after `_FILES_PER_CHILD` files, and when it has grown.
"""

import atexit
import contextlib
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import TracebackType

import msgspec

import ingest
from ingest.document import Document
from ingest.errors import BrokenDocument, ParserLimit
from ingest.parse.limits import ParseLimits
from ingest.parse.picture import Order, Picture
from ingest.parse.wire import HEADER, UNREADABLE, Reply, Request, decode_reply, encode

_FILES_PER_CHILD = 200
_GROWN_BYTES = 400 * 1024**2
_WARM = 2  # children, at most one per processor
_START_SECONDS = 60.0  # a cold disk and a busy machine
_BYTES_PER_CHARACTER = 24  # of a reply: text, spans and rows together
_CHILD_LOST = (BrokenDocument, ParserLimit)
_TIME_SIGNALS = (signal.SIGXCPU, signal.SIGALRM)


class Sandbox:
    """A few warm children, one per file being parsed. Safe to use from several threads."""

    def __init__(self) -> None:
        self._idle: list[_Child] = []
        self._lock = threading.Lock()
        self._closed = False

    def __enter__(self) -> "Sandbox":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def warm(self, limits: ParseLimits | None = None) -> None:
        """Start children ahead of the first files; they get ready while the caller goes on."""
        for _ in range(min(len(os.sched_getaffinity(0)), _WARM)):
            self._give_back(_Child((limits or ParseLimits()).memory_bytes))

    def parse(self, path: Path, name: str, limits: ParseLimits | None = None) -> Document:
        """Parse `path`, called `name` by the user.

        Raises the UnreadableDocument classes, also for a child that crashed, ran too long or took too much memory;
        OSError when the file itself cannot be opened.
        """
        limits = limits or ParseLimits()
        try:
            return self._parse(path, name, limits)
        except _CHILD_LOST as error:
            # Drawing a page for OCR may cost the child where reading the text layer does not.
            if limits.ocr == "off" or not _is_pdf(path):
                raise
            document = self._parse(path, name, replace(limits, ocr="off"))
            note = f"pages without text could not be recognised: {error}"
            return replace(document, report=replace(document.report, dropped=(*document.report.dropped, note)))

    def draw(self, path: Path, order: Order, limits: ParseLimits) -> Picture:
        """One page of the PDF `path` as a picture. Raises as `parse` does."""
        reply = self._ask_twice(Request(str(path.resolve()), path.name, limits, order))
        if reply.picture is not None:
            return reply.picture
        raise _refusal(reply)

    def _parse(self, path: Path, name: str, limits: ParseLimits) -> Document:
        reply = self._ask_twice(Request(str(path.resolve()), name, limits))
        if reply.document is not None:
            return reply.document
        raise _refusal(reply)

    def _ask_twice(self, request: Request) -> Reply:
        try:
            return self._ask(request)
        except _WarmChildKilled:
            return self._ask(request)

    def close(self) -> None:
        """End the idle children. A sandbox may be used again afterwards."""
        with self._lock:
            children, self._idle = self._idle, []
        for child in children:
            child.end()

    def _ask(self, request: Request) -> Reply:
        with self._child(request.limits.memory_bytes) as child:
            return child.ask(request)

    @contextlib.contextmanager
    def _child(self, memory_bytes: int) -> Iterator["_Child"]:
        with self._lock:
            fitting = next((child for child in self._idle if child.memory_bytes == memory_bytes), None)
            if fitting is not None:
                self._idle.remove(fitting)
        if fitting is not None and not fitting.is_alive():
            fitting.end()
            fitting = None
        child = fitting or _Child(memory_bytes)
        try:
            yield child
        except BaseException:
            child.end()
            raise
        self._give_back(child)

    def _give_back(self, child: "_Child") -> None:
        if child.is_worn():
            child.end()
            return
        with self._lock:
            self._idle.append(child)


class _WarmChildKilled(Exception):
    """A child that had served before was killed, perhaps while idle: a fresh one shows whether the file is to blame."""


class _Child:
    """One running parser process."""

    def __init__(self, memory_bytes: int) -> None:
        self.memory_bytes = memory_bytes
        self._served = 0
        self._peak_bytes = 0
        self._process = subprocess.Popen(
            [sys.executable, "-m", "ingest.parse.child", str(memory_bytes), str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(),
        )

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def is_worn(self) -> bool:
        return self._served >= _FILES_PER_CHILD or self._peak_bytes > _GROWN_BYTES

    def ask(self, request: Request) -> Reply:
        """Raises ParserLimit or BrokenDocument when no proper reply comes in time."""
        assert self._process.stdin is not None
        patience = request.limits.seconds + (_START_SECONDS if self._served == 0 else 1.0)
        started = time.monotonic()
        try:
            self._process.stdin.write(encode(request))
            self._process.stdin.flush()
            body = self._receive(started + patience, request.limits)
            reply = decode_reply(body)
        except (BrokenPipeError, EOFError):
            raise self._cause_of_death(request.limits) from None
        except TimeoutError:
            raise ParserLimit(_too_slow(request.limits)) from None
        except msgspec.MsgspecError as error:
            raise BrokenDocument("the parser gave an answer that cannot be read; the file was refused") from error
        self._served += 1
        self._peak_bytes = max(self._peak_bytes, reply.peak_bytes)
        return reply

    def end(self) -> None:
        """Kill and collect. Never waits for the file being parsed."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()

    def _receive(self, deadline: float, limits: ParseLimits) -> bytearray:
        (length,) = HEADER.unpack(self._read(HEADER.size, deadline))
        if length > limits.max_characters * _BYTES_PER_CHARACTER + 1024**2:
            raise ParserLimit("the parser's output is larger than the limits allow; divide the file")
        return self._read(length, deadline)

    def _read(self, length: int, deadline: float) -> bytearray:
        assert self._process.stdout is not None
        handle = self._process.stdout.fileno()
        data = bytearray()
        with selectors.DefaultSelector() as selector:
            selector.register(handle, selectors.EVENT_READ)
            while len(data) < length:
                left = deadline - time.monotonic()
                if left <= 0 or not selector.select(left):
                    raise TimeoutError
                piece = os.read(handle, min(length - len(data), 1 << 20))
                if not piece:
                    raise EOFError
                data += piece
        return data

    def _cause_of_death(self, limits: ParseLimits) -> Exception:
        try:
            code = self._process.wait(timeout=5.0)
        except subprocess.TimeoutExpired:
            return BrokenDocument("the parser closed its connection without an answer; the file was refused")
        if -code in _TIME_SIGNALS:
            return ParserLimit(_too_slow(limits))
        if code == -signal.SIGKILL and self._served:
            return _WarmChildKilled()
        if code == -signal.SIGKILL:
            return ParserLimit(
                "the parser was killed, most likely because the machine ran out of memory; divide the file"
            )
        if code < 0:
            return BrokenDocument(
                f"the parser crashed on the file ({signal.Signals(-code).name}); the file was refused"
            )
        return BrokenDocument(f"the parser ended without an answer (exit code {code}); the file was refused")


def _refusal(reply: Reply) -> Exception:
    if reply.error == "OSError":
        return OSError(reply.message)
    return UNREADABLE.get(reply.error, BrokenDocument)(reply.message)


def _is_pdf(path: Path) -> bool:
    with path.open("rb") as file:
        return b"%PDF-" in file.read(1024)


def _too_slow(limits: ParseLimits) -> str:
    return f"parsing took longer than the {limits.seconds:g} seconds allowed; divide it or raise ingest.parse_seconds"


def _environment() -> dict[str, str]:
    """No secrets of the parent: the child sees where the code is, and nothing else."""
    root = Path(ingest.__file__).resolve().parents[1]
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "HOME") if name in os.environ}
    return kept | {"PYTHONPATH": str(root), "PYTHONUTF8": "1", "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}


_shared = Sandbox()
atexit.register(_shared.close)


def parse_in_child(path: Path, name: str, limits: ParseLimits | None = None) -> Document:
    """Parse with the process-wide sandbox. Same law as `Sandbox.parse`."""
    return _shared.parse(path, name, limits)
