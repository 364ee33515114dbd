"""One page of the web: only public addresses, checked at every step, bounded in bytes, time and redirects."""

import gzip
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from ingest.errors import SourceGone, SourceRefused, SourceUnreachable
from ingest.fetch import Fetcher, Limits
from ingest.reach import Gate, is_public, read_url
from tests.ingest.site import Site, leads_to, page, site


@pytest.fixture
def shown() -> Iterator[Site]:
    with site() as shown:
        yield shown


def fetcher(shown: Site, **limits: float) -> Fetcher:
    return Fetcher(Gate([shown.place]), Limits(**limits))  # type: ignore[arg-type]


PRIVATE_4 = """
127.0.0.1 127.9.9.9 10.0.0.1 172.16.5.5 192.168.1.1 169.254.169.254 100.64.0.1 0.0.0.0 224.0.0.1 255.255.255.255
240.0.0.1 192.0.0.1 198.18.0.1
"""
PRIVATE_6 = """
:: ::1 fe80::1 fd00:ec2::254 fc00::1 ff02::1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 64:ff9b::7f00:1 64:ff9b::a00:1
2002:7f00:1:: 2002:a00:1:: ::127.0.0.1 2001:db8::1 2001::1
"""


@pytest.mark.parametrize("address", (PRIVATE_4 + PRIVATE_6).split())
def test_private_addresses_are_not_public_whatever_wraps_them(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["93.184.215.14", "1.1.1.1", "2606:4700::1111", "64:ff9b::101:101"])
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org/",
        "file:///etc/passwd",
        "gopher://example.org/",
        "http://",
        "http:///x",
        "//example.org/",
        "example.org",
        "http://a@127.0.0.1/",
        "http://example.org:80@127.0.0.1/",
        "http://example.org\\@127.0.0.1/",
        "http://exa mple.org/",
        "http://example.org/\tx",
        "http://example.org/\nHost: x",
        "http://example.org:99999/",
        "http://[::1/",
        "http://example.org/ä",
        "http://" + "a" * 3000,
    ],
)
def test_an_address_that_could_be_read_in_two_ways_is_refused(url: str) -> None:
    with pytest.raises(SourceRefused):
        read_url(url)


def test_names_beyond_ascii_become_what_is_asked_for() -> None:
    target = read_url("https://Bücher.example:443/a?b=c#d")
    assert (target.host, target.port, target.path) == ("xn--bcher-kva.example", 443, "/a?b=c")
    assert target.url == "https://xn--bcher-kva.example/a?b=c"


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "0x7f.1", "2130706433", "127.1", "localhost", "[::1]", "[::ffff:7f00:1]"]
)
def test_this_machine_is_refused_however_it_is_written(host: str, tmp_path: Path) -> None:
    with pytest.raises((SourceRefused, SourceUnreachable)):
        Fetcher(Gate()).fetch(f"http://{host}/", tmp_path / "page")
    assert not (tmp_path / "page").exists()


def test_one_private_address_among_public_ones_is_enough_to_refuse() -> None:
    gate = Gate(resolve=lambda host, port: ["1.1.1.1", "10.0.0.1"])
    with pytest.raises(SourceRefused, match="not on the public internet"):
        gate.addresses(read_url("http://example.org/"))


def test_ports_beyond_those_of_the_web_are_refused() -> None:
    with pytest.raises(SourceRefused, match="port 6379"):
        Gate(resolve=lambda host, port: ["1.1.1.1"]).addresses(read_url("http://example.org:6379/"))


def test_the_connection_goes_to_the_address_that_was_checked(shown: Site, tmp_path: Path) -> None:
    """A name that means something else at the second question finds no second question."""
    answers = iter([["127.0.0.1"], ["10.0.0.1"]])
    gate = Gate([f"docs.example:{shown.port}"], lambda host, port: next(answers))
    shown.pages["/"] = page("the page")
    Fetcher(gate).fetch(f"http://docs.example:{shown.port}/", tmp_path / "page")
    assert (tmp_path / "page").read_text() == "the page"
    assert shown.asked[0][1]["Host"] == f"docs.example:{shown.port}"
    assert next(answers) == ["10.0.0.1"]


def test_no_cookies_credentials_or_proxies(shown: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    shown.pages["/a"] = page("", status=302, Location="/b", Set_Cookie="secret=1")
    shown.pages["/b"] = page("words")
    end = fetcher(shown).fetch(f"{shown.url}/a", tmp_path / "page")
    assert (end.path, (tmp_path / "page").read_text()) == ("/b", "words")
    assert all({"cookie", "authorization"}.isdisjoint(map(str.lower, headers)) for _, headers in shown.asked)


def test_each_redirect_is_checked(shown: Site, tmp_path: Path) -> None:
    for place in (
        "http://127.0.0.1:1/",
        "http://169.254.169.254/latest/meta-data/",
        "file:///etc/passwd",
        "http://[::1]/",
    ):
        shown.pages["/out"] = leads_to(place)
        with pytest.raises(SourceRefused):
            fetcher(shown).fetch(f"{shown.url}/out", tmp_path / "page")
    shown.pages["/round"] = leads_to("/round")
    with pytest.raises(SourceRefused, match="more than 3 times"):
        fetcher(shown).fetch(f"{shown.url}/round", tmp_path / "page")
    assert not (tmp_path / "page").exists()


def test_what_is_too_large_is_refused_packed_or_not(shown: Site, tmp_path: Path) -> None:
    shown.pages["/said"] = page(b"x" * 5000)
    shown.pages["/bomb"] = page(gzip.compress(b"x" * 5_000_000), Content_Encoding="gzip")
    shown.pages["/small"] = page(gzip.compress(b"words " * 10), Content_Encoding="gzip")
    shown.pages["/odd"] = page(b"x", Content_Encoding="br")
    for path in ("/said", "/bomb", "/odd"):
        with pytest.raises(SourceRefused):
            fetcher(shown, bytes=1000).fetch(shown.url + path, tmp_path / "page")
    fetcher(shown, bytes=1000).fetch(f"{shown.url}/small", tmp_path / "page")
    assert (tmp_path / "page").read_text() == "words " * 10


def test_pictures_are_refused_and_errors_told_apart(shown: Site, tmp_path: Path) -> None:
    shown.pages["/picture"] = page(b"x", "image/png")
    shown.pages["/broken"] = page("", status=503)
    for path, error in (("/picture", SourceRefused), ("/broken", SourceUnreachable), ("/none", SourceGone)):
        with pytest.raises(error):
            fetcher(shown).fetch(shown.url + path, tmp_path / "page")


@pytest.mark.parametrize("where", ["before the headers", "in the body"])
def test_a_server_that_drips_is_cut_off(shown: Site, tmp_path: Path, where: str) -> None:
    ended = threading.Event()

    def drip(request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n")
        request.wfile.write(b"\r\n" if where == "in the body" else b"X: ")
        while not ended.wait(0.02):
            request.wfile.write(b"x")

    shown.pages["/slow"] = drip
    try:
        with pytest.raises(SourceUnreachable, match="too long"):
            fetcher(shown, seconds=0.5).fetch(f"{shown.url}/slow", tmp_path / "page")
    finally:
        ended.set()


def test_a_server_that_does_not_answer_is_said_so(tmp_path: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{nobody.getsockname()[1]}"
        with pytest.raises(SourceUnreachable, match="does not answer"):
            Fetcher(Gate([place])).fetch(f"http://{place}/", tmp_path / "page")
