from collections.abc import Iterator
from pathlib import Path

import pytest

from index.search import Searcher
from tests.index.corpus import Corpus


@pytest.fixture
def corpus(tmp_path: Path) -> Iterator[Corpus]:
    corpus = Corpus(tmp_path / "data")
    yield corpus
    corpus.close()


@pytest.fixture
def searcher(corpus: Corpus) -> Iterator[Searcher]:
    searcher = Searcher(corpus.database, corpus.catalog, corpus.embedder, corpus.views)
    yield searcher
    searcher.close()
