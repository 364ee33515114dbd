"""`footnote collections` and `footnote documents`: what there is, and its removal."""

import dataclasses
from collections.abc import Sequence

import click

from index.catalog import Catalog
from index.database import Database
from index.generations import Generations
from index.rows import CollectionInfo, Egress
from index.vector_base import Limits
from index.view_files import describe_base
from ingest.originals import Originals
from ingest.quality import Quality, qualities, quality_of
from rag.access.policy import COMMAND_LINE
from rag.app import check_data_folder, ingest_parts, open_access
from rag.cli.show import json_option, print_json, print_table, settings_of
from rag.collection_rules import EVIDENCE_THRESHOLD, own_threshold


def open_catalog(ctx: click.Context) -> Catalog:
    """The catalog alone, without models or views; closed when the command ends."""
    return Catalog(open_database(ctx))


def open_database(ctx: click.Context) -> Database:
    """The database at its newest form; closed when the command ends."""
    settings = settings_of(ctx)
    check_data_folder(settings.data)
    database = Database(settings.resolved_database_url)
    ctx.call_on_close(database.close)
    database.migrate()
    return database


@click.group("collections", invoke_without_command=True)
@json_option
@click.pass_context
def collections(ctx: click.Context, as_json: bool) -> None:
    """List, create, show, change and delete collections."""
    if ctx.invoked_subcommand is None:
        _print_collections(open_catalog(ctx).collections(), as_json)


@collections.command("list")
@json_option
@click.pass_context
def list_collections(ctx: click.Context, as_json: bool) -> None:
    """List all collections."""
    _print_collections(open_catalog(ctx).collections(), as_json)


@collections.command("create")
@click.argument("name")
@click.option("--description", default="", help="One line for the people who choose it.")
@click.option(
    "--egress",
    type=click.Choice(["deny", "redact", "allow"]),
    default="deny",
    show_default=True,
    help="Whether its text may be sent to a remote model.",
)
@json_option
@click.pass_context
def create_collection(ctx: click.Context, name: str, description: str, egress: Egress, as_json: bool) -> None:
    """Create an empty collection."""
    info = open_catalog(ctx).create_collection(name, description=description, egress=egress)
    if as_json:
        print_json(info)
    else:
        click.echo(f"Created {info.name} ({info.id}).")


@collections.command("change")
@click.argument("name")
@click.option("--rename", metavar="NAME", help="A new name.")
@click.option("--description", help="One line for the people who choose it.")
@click.option(
    "--egress", type=click.Choice(["deny", "redact", "allow"]), help="Whether its text may be sent to a remote model."
)
@click.option(
    "--evidence-threshold",
    type=click.FloatRange(0, 1),
    help="Evidence scored lower cannot answer here; `footnote eval threshold` shows what one costs.",
)
@click.option("--default-threshold", is_flag=True, help="Go back to the threshold of the settings.")
@click.option("--model", help="Who answers when a question names no model: a name, or a policy as local-then-closed.")
@click.option("--only", "models", multiple=True, help="A model that may be asked for; '' takes the list away.")
@json_option
@click.pass_context
def change_collection(
    ctx: click.Context,
    name: str,
    rename: str | None,
    description: str | None,
    egress: Egress | None,
    evidence_threshold: float | None,
    default_threshold: bool,
    model: str | None,
    models: tuple[str, ...],
    as_json: bool,
) -> None:
    """Change what is given and leave the rest."""
    catalog = open_catalog(ctx)
    changes: dict[str, object] = {}
    if default_threshold or evidence_threshold is not None:
        changes[EVIDENCE_THRESHOLD] = None if default_threshold else evidence_threshold
    if model is not None:
        changes["model"] = model
    if models:
        changes["models"] = [one for one in models if one]
    info = catalog.update_collection(
        catalog.collection(name).id,
        name=rename,
        description=description,
        egress=egress,
        metadata=changes,
    )
    if as_json:
        print_json(info)
        return
    _print_collections([info], as_json=False)
    if EVIDENCE_THRESHOLD in changes:
        own = own_threshold(info)
        click.echo("Its evidence threshold is " + (f"{own:.2f}." if own is not None else "that of the settings."))


@collections.command("show")
@click.argument("name")
@json_option
@click.pass_context
def show_collection(ctx: click.Context, name: str, as_json: bool) -> None:
    """Show one collection by name or id, and which class of the dense view serves it and why."""
    catalog = open_catalog(ctx)
    info = catalog.collection(name)
    settings = settings_of(ctx)
    limits = Limits(settings.index_flat_limit, settings.index_sq8_limit)
    chunks = sum(each.chunks for each in catalog.collections())
    in_table = settings.index_dense == "pgvector"
    serving = describe_base(settings.data / "views", limits, chunks, in_table=in_table)
    generations = Generations(catalog.database).listing()
    if as_json:
        facts = {field.name: getattr(info, field.name) for field in dataclasses.fields(info)}
        print_json({**facts, "dense_view": serving, "generations": generations})
    else:
        _print_collections([info], as_json=False)
        click.echo(f"Dense view of all collections: {serving['class']}. {serving['why']}.")
        for each in generations:
            click.echo(f"Vectors of {each.model}: {each.state}, {each.vectors} of {each.chunks} passages.")


@collections.command("delete")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_context
def delete_collection(ctx: click.Context, name: str, yes: bool) -> None:
    """Delete a collection with all its documents."""
    catalog = open_catalog(ctx)
    info = catalog.collection(name)
    if not yes:
        click.confirm(f"Delete {info.name} with {info.documents} documents?", abort=True)
    catalog.delete_collection(info.id)
    click.echo(f"Deleted {info.name}.")


def _print_collections(found: Sequence[CollectionInfo], as_json: bool) -> None:
    if as_json:
        print_json({"items": found})
        return
    print_table(
        ("name", "documents", "chunks", "egress", "created", "description"),
        ((c.name, c.documents, c.chunks, c.egress, c.created_at, c.description) for c in found),
        empty="No collections yet. Make one: footnote ingest FOLDER --collection NAME --wait",
    )


@click.group("documents")
def documents() -> None:
    """List, show and delete documents."""


@documents.command("list")
@click.option("--collection", required=True, help="Name or id.")
@click.option("--limit", default=50, show_default=True)
@click.option("--cursor", help="Where the last list ended.")
@json_option
@click.pass_context
def list_documents(ctx: click.Context, collection: str, limit: int, cursor: str | None, as_json: bool) -> None:
    """List the documents of a collection, newest first."""
    catalog = open_catalog(ctx)
    found = catalog.documents(catalog.collection(collection).id, limit=limit, cursor=cursor)
    if as_json:
        print_json({"items": found.items, "next": found.next_cursor})
        return
    print_table(
        ("id", "name", "version", "characters", "created", "title"),
        ((d.id, d.name, d.version, d.characters, d.created_at, d.title) for d in found.items),
        empty="No documents in this collection yet.",
    )
    if found.next_cursor:
        click.echo(f"More: --cursor {found.next_cursor}")


@documents.command("show")
@click.argument("document")
@click.option("--text", is_flag=True, help="Print the document's text instead of its row.")
@json_option
@click.pass_context
def show_document(ctx: click.Context, document: str, text: bool, as_json: bool) -> None:
    """Show one document."""
    catalog = open_catalog(ctx)
    info = catalog.document(document)
    if text:
        click.echo(catalog.document_text(document))
    elif as_json:
        print_json(info)
    else:
        rows = [(name, getattr(info, name)) for name in ("id", "name", "title", "media_type", "version", "characters")]
        rows += [("report: " + name, value) for name, value in info.report.items()]
        print_table(("field", "value"), rows, empty="")


@documents.command("versions")
@click.argument("document")
@json_option
@click.pass_context
def list_versions(ctx: click.Context, document: str, as_json: bool) -> None:
    """List every version of a document's name that is kept, newest first; `documents show --text` reads one."""
    found = open_catalog(ctx).versions(document)
    if as_json:
        print_json({"items": found, "next": None})
        return
    rows = ((d.id, d.version, d.state, d.characters, d.created_at) for d in found)
    print_table(("id", "version", "state", "characters", "created"), rows, empty="")


@documents.command("readers")
@click.argument("document")
@click.option("--person", "people", multiple=True, help="Someone who may read it, by name or id.")
@click.option("--group", "groups", multiple=True, help="A group that may read it, by name or id.")
@click.option("--everyone", is_flag=True, help="Whoever may read its collection.")
@json_option
@click.pass_context
def readers(
    ctx: click.Context, document: str, people: tuple[str, ...], groups: tuple[str, ...], everyone: bool, as_json: bool
) -> None:
    """Show who alone may read a document and its versions, or say who may from now on."""
    if everyone and (people or groups):
        raise click.UsageError("--everyone takes away every reader; leave --person and --group out")
    catalog = open_catalog(ctx)
    access = open_access(settings_of(ctx), catalog.database)
    info = catalog.document(document)
    if people or groups or everyone:
        access.readers.set(info.id, COMMAND_LINE, people=people, groups=groups)
    found = access.readers.of(info.id)
    if as_json:
        print_json({"document": info.id, "readers": found})
        return
    rows = (("group" if each.group else "person", each.name, each.group or each.person) for each in found)
    print_table(("kind", "name", "id"), rows, empty="Whoever may read its collection reads it.")


@documents.command("report")
@click.argument("document", required=False)
@click.option("--collection", "-c", help="Every file of this collection, worst first.")
@click.option("--limit", default=50, show_default=True)
@json_option
@click.pass_context
def report(ctx: click.Context, document: str | None, collection: str | None, limit: int, as_json: bool) -> None:
    """Say what was read and what was lost, of one document or of all files of a collection."""
    if (document is None) == (collection is None):
        raise click.UsageError("name one document, or give --collection")
    parts = ingest_parts(settings_of(ctx))
    ctx.call_on_close(parts.close)
    if document is not None:
        info = parts.catalog.document(document)
        facts = {"document": info.id, "name": info.name, "score": quality_of(info.report), "report": info.report}
        if as_json:
            print_json(facts)
        else:
            rows = [("name", info.name), ("score", facts["score"])]
            print_table(("field", "value"), [*rows, *((key, _fact(value)) for key, value in info.report.items())], "")
        return
    found = qualities(parts.catalog, parts.jobs, parts.catalog.collection(str(collection)).id)
    if as_json:
        print_json({"items": found[:limit], "total": len(found)})
        return
    print_table(
        ("score", "name", "pages", "empty", "characters", "tables", "passages", "ms", "what was lost"),
        (_quality_row(quality) for quality in found[:limit]),
        empty="No files in this collection yet.",
    )


def _quality_row(quality: Quality) -> tuple[object, ...]:
    report = quality.report
    spent = sum(report.get("seconds", {}).values())
    return (
        f"{quality.score:.2f}",
        quality.name,
        report.get("pages", "") or "",
        len(report.get("pages_without_text", ())) or "",
        report.get("characters", ""),
        report.get("tables", "") or "",
        report.get("chunks", ""),
        round(spent * 1000) if spent else "",
        quality.error or "; ".join(report.get("dropped", ())),
    )


def _fact(value: object) -> object:
    if isinstance(value, dict):
        return ", ".join(f"{key} {number}" for key, number in value.items())
    return "; ".join(map(str, value)) if isinstance(value, (list, tuple)) else value


@documents.command("delete")
@click.argument("document", nargs=-1, required=True)
@click.pass_context
def delete_document(ctx: click.Context, document: tuple[str, ...]) -> None:
    """Delete documents by id. They are never cited again."""
    parts = ingest_parts(settings_of(ctx))
    ctx.call_on_close(parts.close)
    originals = Originals(parts.database, parts.blobs)
    for one in document:
        keys = originals.of_document(one)
        click.echo(f"Deleted {one}." if parts.catalog.delete_document(one) else f"{one} was not there.")
        originals.remove(keys)


COMMANDS = (collections, documents)
