"""`footnote backup` and `footnote restore`. Knows nothing of what a backup holds."""

from pathlib import Path

import click

from index.database import Database
from rag.app import check_data_folder
from rag.backup import Saved, back_up
from rag.backup import restore as bring_back
from rag.cli.corpus import open_database
from rag.cli.show import json_option, messages, print_json, settings_of
from rag.errors import BackupUnusable


@click.command("backup")
@click.argument("folder", type=click.Path(path_type=Path))
@json_option
@click.pass_context
def backup(ctx: click.Context, folder: Path, as_json: bool) -> None:
    """Copy what cannot be made again into a new folder, while the service runs."""
    _say("Saved", back_up(settings_of(ctx).data, open_database(ctx), folder.resolve()), as_json)


@click.command("restore")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--replace", is_flag=True, help="Move what the data folder holds aside first.")
@json_option
@click.pass_context
def restore(ctx: click.Context, folder: Path, replace: bool, as_json: bool) -> None:
    """Bring back a backup into the data folder. No server may run on it; views are built anew at the next start."""
    # Imported here: the server's lock lives with the server, whose libraries take half a second.
    from rag.serve import owned

    settings = settings_of(ctx)
    if settings.database_url:
        raise BackupUnusable("database.url is set, but a backup holds a SQLite file; unset it, or use your own tools")
    check_data_folder(settings.data)
    with owned(settings.data):
        saved = bring_back(folder, settings.data, replace=replace)
        database = Database(settings.resolved_database_url)
        try:
            database.migrate()
        finally:
            database.close()
    _say("Restored", saved, as_json)


def _say(what: str, saved: Saved, as_json: bool) -> None:
    if as_json:
        print_json(saved)
        return
    click.echo(f"{what} {saved.documents} documents and {saved.originals} originals of {saved.made_at}: {saved.folder}")
    if saved.lost:
        messages.print(f"{len(saved.lost)} originals were lost before; `footnote verify` names the first")


COMMANDS = (backup, restore)
