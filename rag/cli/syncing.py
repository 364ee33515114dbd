"""`footnote sync`: a source and a collection made equal, the difference first. Knows no parser and no queue."""

import time
from pathlib import Path

import click

from index.errors import NoSuchCollection
from ingest.job import STATES
from ingest.sources import FolderSource, Source
from ingest.sync import Applied, Difference, Sync
from rag.app import IngestParts, ingest_parts
from rag.cli.show import json_option, print_json, settings_of
from rag.settings import Settings
from rag.syncing import is_web, sync_with, web_source

_SHOWN = 20  # names per kind
_WEB_SECONDS = 600.0  # at least between two looks at a site


@click.command("sync")
@click.argument("source")
@click.option("--collection", "-c", required=True, help="Name of the collection; it is created if there is none.")
@click.option("--sitemap", is_flag=True, help="SOURCE is the address of a sitemap: sync the pages it names.")
@click.option("--dry-run", is_flag=True, help="Show the difference and do nothing.")
@click.option("--delete", is_flag=True, help="Remove what is gone from the source, once you have confirmed it.")
@click.option("--confirm", metavar="DIGEST", help="With --delete: the difference you were shown; asks nothing.")
@click.option("--watch", is_flag=True, help="Go on looking. Nothing is removed then.")
@click.option("--seconds", default=5.0, show_default=True, help="With --watch: time between two looks.")
@json_option
@click.pass_context
def sync(
    ctx: click.Context,
    source: str,
    collection: str,
    sitemap: bool,
    dry_run: bool,
    delete: bool,
    confirm: str | None,
    watch: bool,
    seconds: float,
    as_json: bool,
) -> None:
    """Make a collection follow a folder or a site. SOURCE is a path, or an address where `sources.web` is on.

    Only documents that came from this source are changed or removed.
    """
    if watch and (delete or dry_run):
        raise click.UsageError("--watch removes nothing and is no dry run; leave the other option out")
    settings = settings_of(ctx)
    origin = _source(settings, source, sitemap)
    ctx.call_on_close(origin.close)
    parts = ingest_parts(settings)
    ctx.call_on_close(parts.close)
    try:
        info = parts.catalog.collection(collection)
    except NoSuchCollection:
        info = parts.catalog.create_collection(collection)
    work = sync_with(parts, origin, info.id)
    found, _ = work.look()
    if not as_json:
        _show(found)
    if dry_run:
        if as_json:
            print_json({"difference": found, "digest": found.digest})
        return
    confirmed = _confirmed(found, delete, confirm)
    applied = _apply(parts, work, info.id, found, confirmed)
    if as_json:
        print_json({"difference": found, "digest": found.digest, "applied": applied})
    else:
        _say(applied, found)
    if watch:
        _watch(parts, work, info.id, max(seconds, _WEB_SECONDS) if is_web(source) else seconds)


def _source(settings: Settings, source: str, sitemap: bool) -> Source:
    if is_web(source):
        return web_source(settings, source, sitemap)
    if sitemap:
        raise click.UsageError("--sitemap goes with an address, as in https://example.org/sitemap.xml")
    if not Path(source).is_dir():
        raise click.UsageError(f"{source} is neither a folder nor an address of the web")
    return FolderSource(Path(source))


def _confirmed(found: Difference, delete: bool, confirm: str | None) -> str | None:
    """The digest to remove by; None when nothing is to be removed."""
    if not delete or not found.removed:
        return None
    if confirm is not None:
        return confirm
    click.confirm(f"Remove {len(found.removed)} documents that are gone from the source?", abort=True)
    return found.digest


def _apply(parts: IngestParts, work: Sync, collection: str, found: Difference, confirmed: str | None) -> Applied:
    batch = parts.jobs.create_batch(collection) if found.added or found.changed else None
    return work.apply(confirmed, batch=batch)


def _watch(parts: IngestParts, work: Sync, collection: str, seconds: float) -> None:
    """Until interrupted. A file that failed is tried again when its bytes change, not before."""
    tried: dict[str, str] = {}
    while True:
        time.sleep(seconds)
        counts = parts.jobs.counts(collection)
        if any(counts.get(state) for state in STATES[:4]):
            continue  # what is on its way would look like new
        found, files = work.look()
        wanted = {*found.added, *found.changed}
        fresh = [file for file in files if file.name in wanted and tried.get(file.name) != file.sha256]
        if not fresh and not found.moved:
            continue
        batch = parts.jobs.create_batch(collection)
        applied = work.apply(None, batch=batch, leave=tried)
        tried |= {file.name: file.sha256 for file in fresh}
        _say(applied, found)


def _show(found: Difference) -> None:
    for what, names in (
        ("new", found.added),
        ("changed", found.changed),
        ("moved", tuple(f"{before} -> {after}" for before, after in found.moved)),
        ("gone from the source", found.removed),
        ("left alone", tuple(f"{name} ({why})" for name, why in found.left)),
    ):
        if names:
            click.echo(f"{what} ({len(names)}):")
            for name in names[:_SHOWN]:
                click.echo(f"  {name}")
            if len(names) > _SHOWN:
                click.echo(f"  ... and {len(names) - _SHOWN} more")
    click.echo(f"{found.unchanged} files are unchanged. This difference is {found.digest}.")


def _say(applied: Applied, found: Difference) -> None:
    for name, reason in applied.refused:
        click.echo(f"{name} was not accepted: {reason}")
    watched = f" as batch {applied.batch}" if applied.batch else ""
    click.echo(f"{applied.jobs} files queued{watched}, {applied.moved} moved, {applied.removed} documents removed.")
    if found.removed and not applied.removed:
        click.echo(f"{len(found.removed)} documents are gone from the source; to remove them: --delete")


COMMANDS = (sync,)
