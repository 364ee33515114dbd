"""A whole service over real storage with a hashed embedder and a scripted model."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from index.catalog import Catalog
from index.search import Searcher
from ingest.blobs import Blobs
from ingest.jobs import Jobs
from rag.answer import Answerer
from rag.app import App, open_access
from rag.history import History
from rag.settings import Settings
from tests.databases import migrated
from tests.fakes import HashEmbedder, ScriptedGenerator, ScriptedModels
from tests.rag.conftest import build as build  # the same service behind its HTTP


@pytest.fixture
def make_app(tmp_path: Path) -> Iterator[Callable[..., App]]:
    """`script` is what the model says to every question; other arguments change settings."""
    with ExitStack() as stack:

        def make(*script: Any, **changes: Any) -> App:
            settings = replace(Settings(data=tmp_path / "data"), **changes)
            settings.data.mkdir()
            database = migrated(settings.resolved_database_url)
            catalog, embedder, blobs = Catalog(database), HashEmbedder(256), Blobs(settings.data / "blobs")
            searcher = Searcher(database, catalog, embedder, settings.data / "views")
            models: Any = ScriptedModels(ScriptedGenerator(script))
            history = History(database)
            jobs = Jobs(database, settings.resolved_jobs_url, blobs, max_file_bytes=settings.ingest_max_file_bytes)
            answerer = Answerer(searcher, catalog, embedder, models, history, settings)
            app = App(
                settings=settings,
                database=database,
                catalog=catalog,
                embedder=embedder,
                searcher=searcher,
                blobs=blobs,
                jobs=jobs,
                models=models,
                history=history,
                answerer=answerer,
                access=open_access(settings, database),
            )
            return stack.enter_context(closing(app))

        yield make
