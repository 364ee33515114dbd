"""A corpus and what searches it. A module that sets `ON_EVERY_DATABASE` runs its tests on PostgreSQL, too."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from index.search import Searcher
from tests.index.corpus import Corpus

DATABASES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.real)]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "corpus" in metafunc.fixturenames and getattr(metafunc.module, "ON_EVERY_DATABASE", False):
        metafunc.parametrize("corpus", DATABASES, indirect=True)


@pytest.fixture
def corpus(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Corpus]:
    on_postgres = getattr(request, "param", "sqlite") == "postgresql"
    corpus = Corpus(tmp_path / "data", request.getfixturevalue("postgres_url") if on_postgres else None)
    yield corpus
    corpus.close()


@pytest.fixture
def searcher(corpus: Corpus) -> Iterator[Searcher]:
    searcher = Searcher(corpus.database, corpus.catalog, corpus.embedder, corpus.views)
    yield searcher
    searcher.close()
