"""Random histories with readers who may read this or that, and with a second process writing, against a plain dict."""

from collections.abc import Iterator

import pytest
from hypothesis.stateful import rule

from rag.access.passwords import Passwords
from rag.access.policy import COMMAND_LINE
from rag.access.room import Access
from tests.index.test_model import CorpusMachine, ListsMachine, places, run, texts
from tests.index.writer_process import CatalogElsewhere, WriterProcess


class ReaderMachine(CorpusMachine):
    """`granted` maps a place to the id of the grant that lets the reader read it."""

    def __init__(self) -> None:
        super().__init__()
        self.access = Access(self.corpus.database, self.corpus.folder, passwords=Passwords())
        self.access.people.create("reader", "member", COMMAND_LINE)
        self.key = self.access.keys.create("reader", "laptop", ["read"], COMMAND_LINE).secret
        self.granted: dict[int, str] = {}

    @rule(place=places)
    def grant(self, place: int) -> None:
        info = self.access.grants.grant(self.collections[place], "read", COMMAND_LINE, person="reader")
        assert self.granted.setdefault(place, info.id) == info.id

    @rule(place=places)
    def revoke(self, place: int) -> None:
        if place in self.granted:
            self.access.grants.revoke(self.granted.pop(place), COMMAND_LINE)

    @rule(question=texts)
    def ask_as_reader(self, question: str) -> None:
        """Whatever the views hold, the reader gets what they may read now, and all of it once the views are level."""
        caller = self.access.by_key(self.key)
        readable = [collection for collection in self.collections if caller.may(collection, "read")]
        assert readable == [self.collections[place] for place in sorted(self.granted)]
        held = {
            (self.collections[place], name): text
            for (place, name), (text, _) in self.truth.items()
            if place in self.granted
        }
        for level in (False, True):
            if level:
                self.searcher.refresh()
            found = self.searcher.search(question, collections=readable, k=100, mode="dense").passages
            for each in found:
                assert each.text in held[each.collection, each.name]
            if level:
                assert {(each.collection, each.name) for each in found} == set(held)


@pytest.fixture(scope="module")
def writer() -> Iterator[WriterProcess]:
    process = WriterProcess()
    yield process
    process.close()


def with_process(writer: WriterProcess, machine: type[CorpusMachine]) -> type[CorpusMachine]:
    """The same machine, the second of its writers in a process of its own."""

    class Both(machine):  # type: ignore[valid-type, misc]
        def __init__(self) -> None:
            super().__init__()
            self.elsewhere: CatalogElsewhere = writer.at(self.corpus.database.url)
            self.catalogs = [self.corpus.catalog, self.elsewhere]

        def teardown(self) -> None:
            self.elsewhere.close()
            super().teardown()

    return Both


def test_a_few_histories_with_grants() -> None:
    run(ReaderMachine, examples=2, steps=12)


@pytest.mark.real
def test_many_histories_with_grants() -> None:
    run(ReaderMachine, examples=5, steps=30)


@pytest.mark.real
@pytest.mark.parametrize("machine", [ReaderMachine, ListsMachine])
def test_many_histories_with_a_second_process_writing(writer: WriterProcess, machine: type[CorpusMachine]) -> None:
    run(with_process(writer, machine), examples=4, steps=25)
