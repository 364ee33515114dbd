"""A site and a collection made equal: pages come, change, move and go; what cannot be read just now stays."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ingest.door import Door
from ingest.errors import SourceRefused, SourceUnreachable
from ingest.fetch import Fetcher, Limits
from ingest.originals import Originals
from ingest.reach import Gate
from ingest.sitemap import read_sitemap
from ingest.sources import URL, WebSource, pick_folder
from ingest.sync import Difference, Sync
from tests.ingest.job_rig import Rig, open_rig
from tests.ingest.site import Site, page, site
from tests.ingest.test_sync import work_off


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    (tmp_path / "data").mkdir()
    rig = open_rig(tmp_path / "data")
    yield rig
    rig.close()


@pytest.fixture
def shown() -> Iterator[Site]:
    with site() as shown:
        yield shown


def source(shown: Site, address: str = "/sitemap.xml", most: int = 1000) -> WebSource:
    fetcher = Fetcher(Gate([shown.place]), Limits())
    return WebSource(fetcher, shown.url + address, sitemap=address == "/sitemap.xml", most_pages=most)


def sync(rig: Rig, shown: Site, confirm: bool = False, most: int = 1000) -> Difference:
    """Look, do, and take in."""
    with closing(source(shown, most=most)) as pages:
        work = Sync(
            rig.catalog, Door(rig.catalog, rig.jobs), Originals(rig.database, rig.blobs, 0.0), pages, rig.collection
        )
        found, _ = work.look()
        work.apply(found.digest if confirm else None)
    work_off(rig)
    return found


def test_pages_come_change_and_go(rig: Rig, shown: Site) -> None:
    host = "127.0.0.1"
    for name in ("a", "b", "c"):
        shown.pages[f"/{name}.html"] = page(f"the words of {name}", "text/plain")
    shown.sitemap("/a.html", "/b.html", "/c.html", "/a.html")
    assert sync(rig, shown).added == (f"{host}/a.html", f"{host}/b.html", f"{host}/c.html")
    first = rig.catalog.documents(rig.collection).items[0]
    assert first.metadata[URL].startswith(shown.url)
    assert sync(rig, shown).is_empty
    shown.pages["/a.html"] = page("new words of a", "text/plain")
    shown.pages["/b.html"] = page("busy", status=503)
    shown.pages["/d/"] = shown.pages.pop("/c.html")
    shown.sitemap("/a.html", "/b.html", "/d/")
    found = sync(rig, shown, confirm=True)
    assert (found.changed, found.moved) == ((f"{host}/a.html",), ((f"{host}/c.html", f"{host}/d/index.html"),))
    assert [name for name, _ in found.left] == [f"{host}/b.html"]
    assert found.removed == ()
    del shown.pages["/b.html"]
    found = sync(rig, shown, confirm=True)
    assert found.removed == (f"{host}/b.html",)
    assert rig.names() == [f"{host}/a.html", f"{host}/d/index.html"]


def test_other_sites_refused_pages_and_too_many_are_left(rig: Rig, shown: Site) -> None:
    shown.pages["/robots.txt"] = page("User-agent: *\nDisallow: /private\n", "text/plain")
    for path in ("/a", "/b", "/private/x"):
        shown.pages[path] = page(f"the words of {path}", "text/plain")
    shown.sitemap("/a", "/private/x", "https://elsewhere.example/x", "http://a@b/", "/b")
    found = sync(rig, shown, most=1)
    assert found.added == ("127.0.0.1/a",)
    reasons = dict(found.left)
    assert "robots.txt" in reasons["127.0.0.1/private/x"]
    assert "another site" in reasons["elsewhere.example/x"]
    assert "more than 1 pages" in reasons["127.0.0.1/b"]
    assert len(reasons) == 4
    assert "/private/x" not in [path for path, _ in shown.asked]


def test_a_sitemap_of_sitemaps_is_followed_once(rig: Rig, shown: Site) -> None:
    shown.pages["/a"] = page("the words of a", "text/plain")
    shown.sitemap("/a")
    shown.pages["/inner.xml"] = shown.pages["/sitemap.xml"]
    inner = "".join(
        f"<sitemap><loc>{url}</loc></sitemap>" for url in (f"{shown.url}/inner.xml", "http://other.example/s")
    )
    shown.pages["/sitemap.xml"] = page(f"<sitemapindex>{inner}</sitemapindex>", "text/xml")
    found = sync(rig, shown)
    assert found.added == ("127.0.0.1/a",)
    assert [name for name, _ in found.left] == ["http://other.example/s"]


def test_one_page_is_a_source_of_its_own(shown: Site) -> None:
    shown.pages["/a"] = page("the words", "text/plain")
    with closing(source(shown, "/a")) as one:
        assert one.name == f"page:{shown.url}/a"
        assert [file.name for file in one.gather().files] == ["127.0.0.1/a"]


def test_a_sitemap_that_cannot_be_read_changes_nothing(rig: Rig, shown: Site) -> None:
    with closing(source(shown)) as pages, pytest.raises(Exception, match="gone"):
        pages.gather()
    shown.pages["/sitemap.xml"] = page("", status=500)
    with closing(source(shown)) as pages, pytest.raises(SourceUnreachable):
        pages.gather()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no XML",
        b"<html/>",
        b"\x1f\x8bno gzip",
        b'<!DOCTYPE x [<!ENTITY a "b"><!ENTITY c "&a;&a;&a;">]><urlset><url><loc>&c;</loc></url>',
    ],
)
def test_what_is_no_sitemap_is_refused(data: bytes) -> None:
    with pytest.raises(SourceRefused):
        read_sitemap(data)


def test_entities_of_a_sitemap_are_not_read() -> None:
    data = b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><urlset><url><loc>&a;</loc></url></urlset>'
    assert read_sitemap(data) == ([], [])


def test_only_named_folders_are_for_everybody(tmp_path: Path) -> None:
    (tmp_path / "docs" / "in").mkdir(parents=True)
    (tmp_path / "docs" / "out").symlink_to("/etc")
    allowed = [str(tmp_path / "docs")]
    assert pick_folder(tmp_path / "docs" / "in", allowed).gather().files == ()
    for wanted in (Path("/etc"), tmp_path, tmp_path / "docs" / ".." / "..", tmp_path / "docs" / "out"):
        with pytest.raises(SourceRefused, match=r"sources\.folders"):
            pick_folder(wanted, allowed)
    with pytest.raises(SourceRefused, match="no folder"):
        pick_folder(tmp_path / "docs" / "none", allowed)
