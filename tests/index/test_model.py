"""Random histories of a corpus against a plain dict and brute force."""

import os
import random
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import select

from index.catalog import Catalog
from index.database import Database
from index.filters import parse_filters
from index.rows import decode_vectors, encode_vector
from index.schema import Change
from index.search import Searcher
from index.views import Dense
from tests.index.corpus import Corpus, cut, new_document

WORDS = ["queue", "message", "limit", "error", "disk", "ttl", "user", "key"]
texts = st.lists(st.sampled_from(WORDS), min_size=1, max_size=25).map(" ".join)
names = st.sampled_from(["a.txt", "b.txt", "c.txt", "d.txt", "e.txt"])
places = st.integers(0, 1)


class CorpusMachine(RuleBasedStateMachine):
    """`truth` maps (collection, name) to (text, tag): what a query may find."""

    flat_limit = 100_000
    sq8_limit = 100_000
    dense: Dense = "faiss"

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.corpus = self.new_corpus(Path(self.folder.name))
        self.collections = [self.corpus.collection, self.corpus.catalog.create_collection("second").id]
        # A second writer with its own connections, as another process has.
        self.other = Database(self.corpus.database.url)
        self.catalogs = [self.corpus.catalog, Catalog(self.other)]
        self.truth: dict[tuple[int, str], tuple[str, int]] = {}
        self.ids: dict[tuple[int, str], str] = {}
        self.searcher = self.opened()

    def new_corpus(self, folder: Path) -> Corpus:
        return Corpus(folder)

    def opened(self) -> Searcher:
        return Searcher(
            self.corpus.database,
            self.corpus.catalog,
            self.corpus.embedder,
            self.corpus.views,
            flat_limit=self.flat_limit,
            sq8_limit=self.sq8_limit,
            delta_limit=8,
            dense=self.dense,
        )

    def teardown(self) -> None:
        self.searcher.close()
        self.other.close()
        self.corpus.close()
        self.folder.cleanup()

    @rule(place=places, name=names, text=texts, tag=st.integers(0, 2), writer=places)
    def put(self, place: int, name: str, text: str, tag: int, writer: int) -> None:
        same = [at for at, (held, _) in self.truth.items() if held == text and at[0] == place]
        put = self.catalogs[writer].put_document(
            new_document(self.collections[place], name, text, self.corpus.embedder, metadata={"tag": tag})
        )
        if same:
            assert put.document == self.ids[same[0]]
            if same[0] != (place, name):
                self.truth.pop((place, name), None)
                self.ids.pop((place, name), None)
            return
        assert put.outcome == ("replaced" if (place, name) in self.truth else "added")
        self.truth[place, name] = (text, tag)
        self.ids[place, name] = put.document

    @precondition(lambda self: self.truth)
    @rule(data=st.data(), writer=places)
    def delete(self, data: st.DataObject, writer: int) -> None:
        at = data.draw(st.sampled_from(sorted(self.truth)))
        assert self.catalogs[writer].delete_document(self.ids.pop(at))
        del self.truth[at]

    @rule()
    def refresh(self) -> None:
        self.searcher.refresh()

    @rule()
    def compact(self) -> None:
        self.searcher.compact()

    @rule()
    def erase(self) -> None:
        """What was deleted leaves the files, however often it takes to ask."""
        views, end = self.searcher._views, time.monotonic() + 60
        upto = self.corpus.catalog.latest_seq()
        while not views.cleanse(upto):
            assert time.monotonic() < end
            time.sleep(0.001)
        with self.corpus.database.read() as session:
            gone = set(session.scalars(select(Change.document).where(Change.kind == "delete")))
        assert views.moment is not None
        held = {key for key in gone if views.moment.lexical.remembers(key) or views.moment.dense.remembers(key)}
        assert held == set()

    @rule()
    def reopen(self) -> None:
        self.searcher.close()
        self.searcher = self.opened()

    @rule()
    def crash(self) -> None:
        """The process dies: nothing is closed, and its work folder is left behind for the next one to sweep."""
        views = self.searcher._views
        views._makers.stop()
        views._makers.await_sealer()
        for view in (views._views and views._views[1], views._makers.words.take()):
            if view:
                os.close(view._work.lock)
        self.searcher = self.opened()

    @rule(chance=st.randoms(use_true_random=False))
    def damage(self, chance: random.Random) -> None:
        """The disk changes a bit of a snapshot while nobody has it open."""
        self.searcher.close()
        found = sorted(path for path in self.corpus.views.glob("*-*/*") if path.stat().st_size)
        if found:
            path = chance.choice(found)
            content = bytearray(path.read_bytes())
            content[chance.randrange(len(content))] ^= 1
            path.unlink()
            path.write_bytes(content)
        self.searcher = self.opened()

    @rule()
    def repair(self) -> None:
        """By another process, as `footnote verify --repair` is; ours goes on with what it has until it looks."""
        other = self.opened()
        other.repair()
        other.close()

    @rule()
    def verify(self) -> None:
        """Invariant 2, vector by vector."""
        wrong = [each for each in self.searcher.verify() if not each.ok and each.what != "snapshots"]
        assert wrong == []

    @rule(question=texts, within=st.sampled_from([(0,), (1,), (0, 1)]), tag=st.none() | st.integers(0, 2))
    def ask(self, question: str, within: tuple[int, ...], tag: int | None) -> None:
        """Before the views are up to date, nothing wrong is shown; after, everything right is."""
        arguments: dict[str, Any] = {
            "collections": [self.collections[place] for place in within],
            "filters": None if tag is None else parse_filters({"tag": tag}),
        }
        allowed = {
            (self.collections[at[0]], at[1], chunk.ordinal): chunk.text
            for at, (text, held) in self.truth.items()
            if at[0] in within and tag in (None, held)
            for chunk in cut(text)
        }
        for passage in self.searcher.search(question, k=7, **arguments).passages:
            assert passage.text in {text for (_, name, _), text in allowed.items() if name == passage.name}
        self.searcher.refresh()
        for exact in (False, True):
            self.check_dense(question, arguments, allowed, exact)
        self.check_lexical(question, arguments, allowed)

    def check_dense(self, question: str, arguments: dict[str, Any], allowed: dict[Any, str], exact: bool) -> None:
        found = self.searcher.search(question, k=7, mode="dense", exact=exact, **arguments).passages
        query = self.corpus.embedder.embed_query(question)
        stored = {at: encode_vector(self.corpus.embedder.embed([text])[0]) for at, text in allowed.items()}
        scores = {at: float(decode_vectors([vector])[0] @ query) for at, vector in stored.items()}
        assert np.allclose([each.score for each in found], sorted(scores.values(), reverse=True)[:7], atol=1e-5)
        assert len({each.chunk for each in found}) == len(found)
        for each in found:
            assert abs(scores[each.collection, each.name, each.start // 30] - each.score) < 1e-5

    def check_lexical(self, question: str, arguments: dict[str, Any], allowed: dict[Any, str]) -> None:
        found = self.searcher.search(question, k=100, mode="lexical", **arguments).passages
        words = set(question.split())
        assert {(each.collection, each.name, each.start // 30) for each in found} >= {
            at for at, text in allowed.items() if words & set(text.split())
        }

    @invariant()
    def the_listing_is_the_truth(self) -> None:
        for place, collection in enumerate(self.collections):
            listed = {(place, each.name): each.id for each in self.corpus.catalog.documents(collection).items}
            assert listed == {at: document for at, document in self.ids.items() if at[0] == place}


class CompressedMachine(CorpusMachine):
    flat_limit = 3


class ListsMachine(CorpusMachine):
    flat_limit = 3
    sq8_limit = 3


def run(machine: type[CorpusMachine], examples: int, steps: int) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.parametrize("machine", [CorpusMachine, CompressedMachine, ListsMachine])
def test_a_few_histories(machine: type[CorpusMachine]) -> None:
    run(machine, examples=3, steps=12)


@pytest.mark.real
@pytest.mark.parametrize("machine", [CorpusMachine, CompressedMachine, ListsMachine])
def test_many_histories(machine: type[CorpusMachine]) -> None:
    run(machine, examples=8, steps=30)
