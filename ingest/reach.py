"""Which addresses of the network a source may be read from, and a connection to nothing else. Knows no HTTP.

A name is resolved once, every address it has is checked, and the connection goes to a checked address: what a name
means a moment later, or to another parser, cannot matter.
"""

import ipaddress
import socket
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from ingest.errors import SourceRefused, SourceUnreachable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Iterable[str]]

_PORTS = {"http": 80, "https": 443}
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_LONGEST_URL = 2000


@dataclass(frozen=True, slots=True)
class Target:
    """An address of the web, taken apart once. `host` is ASCII and lower case, `path` has query but no fragment."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.port == _PORTS[self.scheme] else f":{self.port}")

    @property
    def url(self) -> str:
        return self.origin + self.path


def read_url(url: str) -> Target:
    """Take an http or https address apart. Raises SourceRefused for anything that could be read in two ways."""
    if len(url) > _LONGEST_URL or any(c.isspace() or ord(c) < 32 or c in "\\\x7f" for c in url):
        raise SourceRefused(f"the address {url[:80]!r} is too long or holds spaces, control characters or backslashes")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        host = host if ":" in host else host.encode("idna").decode("ascii").lower()
    except ValueError as error:
        raise SourceRefused(f"the address {url!r} is malformed ({error}); write it as https://host/path") from error
    if parts.scheme not in _PORTS or not host:
        raise SourceRefused(f"the address {url!r} is not of the web; write it as https://host/path")
    if "@" in parts.netloc:
        raise SourceRefused("an address with a name or password in it is not read; leave out what stands before the @")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not path.isascii() or not path.startswith("/"):
        raise SourceRefused(f"the address {url!r} has characters that must be percent-encoded")
    return Target(parts.scheme, host, port or _PORTS[parts.scheme], path)


def resolve(host: str, port: int) -> list[str]:
    """Every address of a name. Raises SourceUnreachable."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise SourceUnreachable(f"the name {host} has no address ({error}); check its spelling") from error
    return list(dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found))


def is_public(address: str) -> bool:
    """Whether an address belongs to the public internet, also when it wraps another one."""
    found = _unwrapped(ipaddress.ip_address(address))
    return found.is_global and not found.is_multicast and not found.is_reserved


def _unwrapped(address: Address) -> Address:
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is None and int(address) >> 32 == 0 and int(address) > 1:
            inner = ipaddress.IPv4Address(int(address))  # ::1.2.3.4, an old form
        return inner or address
    return address


class Gate:
    """Lets connections through to public addresses at the ports of the web, and to `allowed` ("host:port") as it is."""

    def __init__(self, allowed: Collection[str] = (), resolve: Resolve = resolve) -> None:
        self._allowed = frozenset(entry.strip().lower() for entry in allowed)
        self._resolve = resolve

    def addresses(self, target: Target) -> list[str]:
        """Where the target may be reached. Raises SourceRefused, SourceUnreachable."""
        free = f"{target.host}:{target.port}" in self._allowed
        if not free and target.port not in _PORTS.values():
            raise SourceRefused(
                f"port {target.port} of {target.host} is not one of the web; "
                f"allow it with the setting sources.web_allow = {target.host}:{target.port}"
            )
        found = list(self._resolve(target.host, target.port))
        if not found:
            raise SourceUnreachable(f"the name {target.host} has no address; check its spelling")
        if not free and not all(is_public(address) for address in found):
            # Which address it was is not said: that would map the inner network for whoever asks.
            raise SourceRefused(
                f"{target.host} is not on the public internet; if it may be read all the same, allow it with the "
                f"setting sources.web_allow = {target.host}:{target.port}"
            )
        return found

    def connect(self, target: Target, seconds: float) -> socket.socket:
        """An open connection to a checked address. Raises SourceRefused, SourceUnreachable."""
        last: OSError | None = None
        for address in self.addresses(target):
            try:
                return socket.create_connection((address, target.port), timeout=seconds)
            except OSError as error:
                last = error
        raise SourceUnreachable(f"{target.host} does not answer ({last}); try again later") from last
