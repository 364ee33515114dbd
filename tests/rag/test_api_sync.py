"""Syncing over HTTP and from the command line: off until it is allowed, the difference first, removal confirmed."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from rag.cli import main
from tests.ingest.site import Site, page, site
from tests.rag.conftest import Service, client_of

pytestmark = pytest.mark.anyio
PATH = "/api/v1/collections/guides/sync"


@pytest.fixture
def shown() -> Iterator[Site]:
    with site() as shown:
        shown.pages["/a"] = page("<h1>Plan</h1><p>The plan has 12 seats.</p>")
        shown.sitemap("/a")
        yield shown


async def test_nothing_is_read_until_the_settings_allow_it(service: Service, shown: Site, tmp_path: Path) -> None:
    service.collection()
    async with client_of(service) as http:
        for body in ({"page": f"{shown.url}/a"}, {"sitemap": f"{shown.url}/sitemap.xml"}, {"folder": str(tmp_path)}):
            answer = await http.post(PATH, json=body)
            assert (answer.status_code, answer.json()["type"].rsplit("/")[-1]) == (422, "source-refused")
            assert "sources." in answer.json()["detail"]
        for wrong in ({}, {"page": "x", "folder": "y"}, {"page": "http://a/", "else": 1}):
            assert (await http.post(PATH, json=wrong)).status_code == 422
    assert shown.asked == []


async def test_only_public_addresses_are_read_once_the_web_is_on(build: Callable[..., Service], shown: Site) -> None:
    service = build(sources_web="on")
    service.collection()
    async with client_of(service) as http:
        answer = await http.post(PATH, json={"page": f"{shown.url}/a"})
    left = answer.json()["difference"]["left"]
    assert "allow it with the setting sources.web_allow" in left[0]["reason"]
    assert shown.asked == []


async def test_a_site_is_synced_and_what_is_gone_is_removed_when_confirmed(
    build: Callable[..., Service], shown: Site
) -> None:
    service = build(sources_web="on", sources_web_allow=(shown.place,))
    guides = service.collection()
    body: dict[str, Any] = {"sitemap": f"{shown.url}/sitemap.xml"}
    async with client_of(service) as http:
        looked = (await http.post(PATH, json={**body, "dry_run": True})).json()
        assert (looked["difference"]["added"], looked["applied"]) == (["127.0.0.1/a"], None)
        assert service.app.jobs.counts(guides) == {}
        done = (await http.post(PATH, json=body)).json()
        assert (done["applied"]["jobs"], done["applied"]["removed"]) == (1, 0)
        job = service.app.jobs.jobs(guides).items[0]
        assert job.attributes == {"url": f"{shown.url}/a", "source": f"sitemap:{shown.url}/sitemap.xml"}
        wrong = await http.post(PATH, json={**body, "confirm": "000000000000"})
        assert (wrong.status_code, wrong.json()["type"].rsplit("/")[-1]) == (409, "sync-not-confirmed")


async def test_a_folder_of_the_server_is_synced_where_it_is_allowed(
    build: Callable[..., Service], tmp_path: Path
) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("# Plan")
    service = build(sources_folders=(str(tmp_path / "docs"),))
    service.collection()
    async with client_of(service) as http:
        done = (await http.post(PATH, json={"folder": str(tmp_path / "docs")})).json()
        assert (done["difference"]["added"], done["applied"]["jobs"]) == (["a.md"], 1)
        assert (await http.post(PATH, json={"folder": str(tmp_path)})).status_code == 422


def test_the_command_syncs_pages(tmp_path: Path, shown: Site) -> None:
    command = ["--data", str(tmp_path / "data"), "sync", f"{shown.url}/a", "--collection", "guides", "--json"]
    refused = CliRunner().invoke(main, command)
    assert refused.exit_code == 1
    allowed = {"FOOTNOTE_SOURCES_WEB": "on", "FOOTNOTE_SOURCES_WEB_ALLOW": shown.place}
    done = CliRunner().invoke(main, command, env=allowed)
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["applied"]["jobs"] == 1
    wrong = CliRunner().invoke(main, ["--data", str(tmp_path), "sync", str(tmp_path / "none"), "-c", "x"])
    assert wrong.exit_code == 2
