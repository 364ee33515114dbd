"""Runs migrations on a connection that the service hands over, or on `sqlalchemy.url` for a developer's command.

Knows no table by name. Migrations are named by their revision ("0001_corpus.py") and run in one transaction.
"""

from importlib import import_module

from alembic import context
from sqlalchemy import Connection

from index.database import Database


def run(connection: Connection, metadata: object = None) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        compare_type=True,
        render_as_batch=connection.dialect.name == "sqlite",
        transactional_ddl=True,
    )
    # The caller's transaction is the one that commits.
    context.run_migrations()


def run_from_command_line() -> None:
    # Only a comparison needs the tables; the service's own migrations do without loading every room.
    for room in ("index", "ingest", "rag", "rag.access", "eval"):
        import_module(f"{room}.schema")
    database = Database(context.config.get_main_option("sqlalchemy.url", ""))
    with database.write() as session:
        run(session.connection(), import_module("index.schema").Base.metadata)
    database.close()


given = context.config.attributes.get("connection")
if given is None:
    run_from_command_line()
else:
    run(given)
