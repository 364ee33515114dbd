"""Where documents may be read from again and again: a folder, pages of the web, the pages of a sitemap.

Each gives the files it has now, under names that stay the same. Knows no collection and no difference.
"""

import hashlib
import shutil
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.robotparser import RobotFileParser

from ingest.divide import DIVIDE_BYTES, is_large_table
from ingest.errors import IngestError, SourceGone, SourceRefused
from ingest.fetch import Fetcher
from ingest.job import clean_name
from ingest.reach import Target, read_url
from ingest.sitemap import read_sitemap
from ingest.unpack import is_archive

URL = "url"  # metadata of a page: its address
_MOST_SITEMAPS = 50
_AGENT = "Footnote"


@dataclass(frozen=True, slots=True)
class Found:
    """One file of a source. `name` is its path there, `sha256` of its bytes, hexadecimal."""

    name: str
    path: Path
    sha256: str
    is_table: bool = False  # so large that it is divided
    attributes: Mapping[str, str] = field(default_factory=dict)  # metadata that its document is to bear


@dataclass(frozen=True, slots=True)
class Gathered:
    """What a source has now. `left` are (name, reason): there, as far as is known, but not to be taken in."""

    files: tuple[Found, ...]
    left: tuple[tuple[str, str], ...] = ()


class Source(Protocol):
    """`name` tells it from other sources for ever; documents remember it."""

    @property
    def name(self) -> str: ...

    def gather(self) -> Gathered:
        """The files as they are now; valid until the next call or `close`. Raises SourceRefused, SourceUnreachable."""
        ...

    def close(self) -> None: ...


class FolderSource:
    """Every file below a folder, hidden ones left out, by name. Links are followed only to files inside."""

    def __init__(self, folder: Path) -> None:
        self._root = folder.resolve()
        self.name = f"folder:{self._root}"

    def gather(self) -> Gathered:
        """Archives are left: what is in them has no place in the folder."""
        files: list[Found] = []
        left: list[tuple[str, str]] = []
        for path in sorted(self._root.rglob("*")):
            if not _counts(self._root, path):
                continue
            found = _found(clean_name(path.relative_to(self._root).as_posix()), path)
            if _is_archive(path):
                left.append((found.name, "an archive; unpack it or ingest it by itself"))
            else:
                files.append(found)
        return Gathered(tuple(files), tuple(left))

    def close(self) -> None:
        """A folder holds nothing open."""


def pick_folder(wanted: Path, among: Iterable[str]) -> FolderSource:
    """A folder that others than its owner may ask for: one of `among` or below one. Raises SourceRefused."""
    folder = wanted.resolve()
    if not any(folder.is_relative_to(Path(root).resolve()) for root in among):
        raise SourceRefused(
            f"the folder {wanted} is not among those that may be synced through the API; add it to sources.folders"
        )
    if not folder.is_dir():
        raise SourceRefused(f"{wanted} is no folder on this machine")
    return FolderSource(folder)


class WebSource:
    """One page, or the pages of a sitemap that are of its own site. What was read stays for `fresh_seconds`.

    A page that is gone is not there; one that cannot be read just now is left, so that it is not taken for gone.
    """

    def __init__(
        self,
        fetcher: Fetcher,
        address: str,
        *,
        sitemap: bool = False,
        most_pages: int = 1000,
        seconds: float = 600.0,
        fresh_seconds: float = 600.0,
    ) -> None:
        """Raises SourceRefused for an address that cannot be one."""
        self._fetcher = fetcher
        self._target = read_url(address)
        self._is_sitemap = sitemap
        self._most, self._seconds, self._fresh = most_pages, seconds, fresh_seconds
        self._read_at = 0.0
        self._gathered: Gathered | None = None
        self._folder = Path(tempfile.mkdtemp(prefix="footnote-pages-"))
        self.name = f"{'sitemap' if sitemap else 'page'}:{self._target.url}"

    def gather(self) -> Gathered:
        """Raises SourceRefused, SourceUnreachable when the sitemap itself cannot be read."""
        if self._gathered is None or time.monotonic() - self._read_at >= self._fresh:
            self._gathered = self._read()
            self._read_at = time.monotonic()
        return self._gathered

    def close(self) -> None:
        """Remove what was read."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _read(self) -> Gathered:
        until = time.monotonic() + self._seconds
        left: list[tuple[str, str]] = []
        targets = self._of_sitemap(self._target, left) if self._is_sitemap else [self._target]
        why = f"more than {self._most} pages; raise sources.web_pages"
        left += [(page_name(target), why) for target in targets[self._most :]]
        files: list[Found] = []
        for number, target in enumerate(targets[: self._most]):
            name, path = page_name(target), self._folder / str(number)
            if time.monotonic() > until:
                left.append((name, "there was no time left to read it"))
                continue
            try:
                self._fetcher.fetch(target.url, path)
            except SourceGone:
                continue
            except IngestError as error:
                left.append((name, str(error)))
                continue
            files.append(_found(name, path, {URL: target.url}))
        return Gathered(tuple(files), tuple(left))

    def _of_sitemap(self, sitemap: Target, left: list[tuple[str, str]]) -> list[Target]:
        pages, further = read_sitemap(self._bytes(sitemap.url))
        for address in further[:_MOST_SITEMAPS]:
            inner = read_url(address)
            if inner.origin == sitemap.origin:
                pages += read_sitemap(self._bytes(inner.url))[0]
            else:
                left.append((address, "a sitemap of another site; sync it by itself"))
        robots = self._robots(sitemap)
        targets: list[Target] = []
        for address in dict.fromkeys(pages):
            try:
                target = read_url(address)
            except SourceRefused as error:
                left.append((address[:200], str(error)))
                continue
            if target.origin != sitemap.origin:
                left.append((page_name(target), "a page of another site"))
            elif not robots.can_fetch(_AGENT, target.url):
                left.append((page_name(target), "robots.txt asks not to read it"))
            else:
                targets.append(target)
        return targets

    def _robots(self, site: Target) -> RobotFileParser:
        rules = RobotFileParser()
        try:
            rules.parse(self._bytes(site.origin + "/robots.txt").decode("utf-8", "replace").splitlines())
        except IngestError:
            rules.parse([])  # nothing is forbidden
        return rules

    def _bytes(self, url: str) -> bytes:
        path = self._folder / "index"
        self._fetcher.fetch(url, path)
        return path.read_bytes()


def page_name(target: Target) -> str:
    """The name of a page's document: host and path, so that pages of one site stand together."""
    path = target.path + "index.html" if target.path.endswith("/") else target.path
    return clean_name(target.host + path)


def _found(name: str, path: Path, attributes: Mapping[str, str] | None = None) -> Found:
    with path.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
        large = path.stat().st_size > DIVIDE_BYTES and is_large_table(stream, name)
    return Found(name, path, sha256, large, attributes or {})


def _counts(root: Path, path: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
    return not hidden and path.is_file() and path.resolve().is_relative_to(root)


def _is_archive(path: Path) -> bool:
    with path.open("rb") as stream:
        return is_archive(stream)
