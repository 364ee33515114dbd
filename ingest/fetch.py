"""One page of the web into a file: no cookies, no credentials, no proxies, bounded in bytes, time and redirects.

Knows no sitemap and no collection. Where it may connect to is decided in `ingest.reach`, anew for each redirect.
"""

import http.client
import socket
import ssl
import threading
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

from ingest.errors import SourceGone, SourceRefused, SourceUnreachable
from ingest.reach import Gate, Target, read_url

MOST_REDIRECTS = 3
_SILENCE_SECONDS = 10.0
_PIECE = 64 * 1024
_REDIRECTS = (301, 302, 303, 307, 308)
_GONE = (404, 410)
_KINDS = ("text/", "application/", "message/")  # what can hold words
_AGENT = "Footnote (documentation reader)"


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one page: bytes once unpacked, and seconds in all, redirects included."""

    bytes: int = 50 * 1024**2
    seconds: float = 30.0


class Fetcher:
    """Reads pages through one gate."""

    def __init__(self, gate: Gate, limits: Limits | None = None) -> None:
        self._gate = gate
        self._limits = limits or Limits()
        self._tls = ssl.create_default_context()

    def fetch(self, url: str, into: Path) -> Target:
        """Write the page's bytes to `into`; returns where they were in the end.

        Raises SourceGone (there is no such page), SourceRefused (it may not be read), SourceUnreachable (try again).
        """
        target = read_url(url)
        watch = _Deadline(self._limits.seconds)
        try:
            for _ in range(MOST_REDIRECTS + 1):
                onward = self._step(target, into, watch)
                if onward is None:
                    return target
                if target.scheme == "https" and onward.scheme == "http":
                    raise SourceRefused(f"{url} leads from https to http; that is not followed")
                target = onward
        finally:
            watch.end()
        raise SourceRefused(f"{url} leads on more than {MOST_REDIRECTS} times; give the address where it ends")

    def _step(self, target: Target, into: Path, watch: "_Deadline") -> Target | None:
        """Read one answer; the next address when it is a redirect."""
        connection = _Connection(target, self._gate, self._tls, watch)
        try:
            connection.request("GET", target.path, headers=_headers())
            answer = connection.getresponse()
            if answer.status in _REDIRECTS:
                return read_url(urljoin(target.url, answer.headers.get("Location", "")))
            self._check(target, answer)
            with into.open("wb") as file:
                for piece in _unpacked(answer, self._limits.bytes, target):
                    file.write(piece)
        except (OSError, http.client.HTTPException, zlib.error) as error:
            reason = "it took too long" if watch.passed else f"{type(error).__name__}: {error}"
            raise SourceUnreachable(f"{target.url} could not be read ({reason}); try again later") from error
        else:
            if watch.passed:  # a connection that was cut can look like an end
                raise SourceUnreachable(f"{target.url} could not be read (it took too long); try again later")
            return None
        finally:
            connection.close()

    def _check(self, target: Target, answer: http.client.HTTPResponse) -> None:
        if answer.status in _GONE:
            raise SourceGone(f"{target.url} is gone (status {answer.status})")
        if answer.status != 200:
            raise SourceUnreachable(f"{target.url} answers with status {answer.status}; 200 was wanted")
        kind = answer.headers.get_content_type()
        if not kind.startswith(_KINDS):
            raise SourceRefused(f"{target.url} is {kind}, which holds no text; leave it out")
        announced = answer.headers.get("Content-Length", "")
        if announced.isdigit() and int(announced) > self._limits.bytes:
            raise _too_large(target, self._limits.bytes)


class _Connection(http.client.HTTPConnection):
    """A connection that the gate opened, with the name of the target in header and certificate check."""

    def __init__(self, target: Target, gate: Gate, tls: ssl.SSLContext, watch: "_Deadline") -> None:
        super().__init__(target.host, target.port, timeout=_SILENCE_SECONDS)
        self._target, self._gate, self._tls, self._watch = target, gate, tls, watch

    def connect(self) -> None:
        plain = self._gate.connect(self._target, _SILENCE_SECONDS)
        self._watch.over(plain)
        secure = self._target.scheme == "https"
        self.sock = self._tls.wrap_socket(plain, server_hostname=self._target.host) if secure else plain
        self._watch.over(self.sock)


class _Deadline:
    """Cuts a connection when the time is up: a timeout on each read would let a slow server drip for ever."""

    def __init__(self, seconds: float) -> None:
        self.passed = False
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True
        self._timer.start()

    def over(self, connection: socket.socket) -> None:
        """Watch this connection from now on. Raises TimeoutError when the time was up already."""
        with self._lock:
            self._socket = connection
            if self.passed:
                connection.close()
                raise TimeoutError

    def end(self) -> None:
        self._timer.cancel()

    def _cut(self) -> None:
        with self._lock:
            self.passed = True
            if self._socket is not None:
                try:
                    self._socket.shutdown(socket.SHUT_RDWR)
                except OSError:
                    return  # closed already


def _headers() -> dict[str, str]:
    return {"User-Agent": _AGENT, "Accept": "text/html, application/*, text/*", "Accept-Encoding": "gzip, identity"}


def _unpacked(answer: http.client.HTTPResponse, limit: int, target: Target) -> Iterator[bytes]:
    """The body in pieces, unpacked, at most `limit` bytes. Raises SourceRefused beyond, or for an unknown coding."""
    coding = answer.headers.get("Content-Encoding", "identity").strip().lower()
    if coding not in ("identity", "gzip", ""):
        raise SourceRefused(f"{target.url} is sent in the coding {coding}, which was not asked for")
    unpack = zlib.decompressobj(zlib.MAX_WBITS | 16) if coding == "gzip" else None
    left = limit
    while packed := answer.read(_PIECE):
        while packed:
            piece = unpack.decompress(packed, _PIECE) if unpack else packed
            packed = unpack.unconsumed_tail if unpack else b""
            left -= len(piece)
            if left < 0:
                raise _too_large(target, limit)
            yield piece
    if unpack is not None and not unpack.eof:
        raise http.client.IncompleteRead(b"")


def _too_large(target: Target, limit: int) -> SourceRefused:
    return SourceRefused(
        f"{target.url} has more than {limit:,} bytes; raise sources.web_page_bytes or leave the page out"
    )
