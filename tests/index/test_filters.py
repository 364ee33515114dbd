"""Filters: what is read, what is refused, and which documents pass."""

import random
from typing import Any

import pytest
from sqlalchemy import event, select

from index.errors import BadFilter
from index.filters import Filters, parse_filters
from index.passing import Passing
from index.schema import Collection, Document
from tests.index.corpus import Corpus

ON_EVERY_DATABASE = True

DOCUMENTS: dict[str, dict[str, Any]] = {
    "a.txt": {"year": 2020, "lang": "en", "tags": ["red", "blue"], "draft": False, "date": "2024-01-31"},
    "b.txt": {"year": 2022.5, "lang": "de", "tags": ["blue"], "draft": True, "date": "2024-02-01"},
    "c.txt": {"year": "2020", "name": "inner", "product": {"line": "router", "port": 80}},
    "d.html": {},
}


@pytest.fixture
def filled(corpus: Corpus) -> Corpus:
    for name, metadata in DOCUMENTS.items():
        kind = "text/html" if name.endswith("html") else "text/plain"
        corpus.put(name, f"text of {name}", metadata=metadata, media_type=kind)
    return corpus


@pytest.mark.parametrize(
    ("raw", "names"),
    [
        (None, "abcd"),
        ({}, "abcd"),
        ({"year": 2020}, "a"),
        ({"year": "2020"}, "c"),
        ({"year": [2020, 2022.5]}, "ab"),
        ({"year": {"in": [2020, "2020"]}}, "ac"),
        ({"year": {"gte": 2020}}, "ab"),
        ({"year": {"gt": 2020, "lt": 2023}}, "b"),
        ({"year": {"lte": "2021"}}, "c"),
        ({"lang": {"eq": "de"}}, "b"),
        ({"tags": "blue"}, "ab"),
        ({"tags": ["red", "green"]}, "a"),
        ({"draft": True}, "b"),
        ({"draft": False, "lang": "en"}, "a"),
        ({"draft": False, "lang": "de"}, ""),
        ({"date": {"gte": "2024-01-01", "lt": "2024-02-01"}}, "a"),
        ({"product.line": "router"}, "c"),
        ({"product.port": {"lt": 100}}, "c"),
        ({"name": "a.txt"}, "a"),
        ({"name": ["a.txt", "d.html", "x"]}, "ad"),
        ({"metadata.name": "inner"}, "c"),
        ({"media_type": "text/html"}, "d"),
        ({"title": {"gte": "c"}}, "cd"),
        ({"nothing": "x"}, ""),
        ({"lang": "en' OR 1=1 --"}, ""),
        ({"lang": {"exists": True}}, "ab"),
        ({"product.line": {"exists": False}}, "abd"),
        ({"title": {"prefix": "A"}}, "a"),
        ({"lang": {"prefix": "D"}}, "b"),
        ({"name": {"prefix": "%"}}, ""),
        ({"name": {"prefix": "htm"}}, "d"),
        ({"or": [{"lang": "en"}, {"media_type": "text/html"}]}, "ad"),
        ({"not": {"lang": "en"}}, "bcd"),
        ({"not": {"lang": "en", "draft": True}}, "abcd"),
        ({"and": [{"tags": "blue"}, {"not": {"tags": "red"}}]}, "b"),
        ({"lang": {"exists": True}, "or": [{"year": {"lt": 2021}}, {"draft": True}]}, "ab"),
        ({"added": {"gte": "2020-01-01"}}, "abcd"),
        ({"added": {"gt": "2020-01-01T00:00:00+02:00", "lt": "2021-01-01"}}, ""),
    ],
)
def test_filters_choose_documents(filled: Corpus, raw: dict[str, Any] | None, names: str) -> None:
    with filled.database.read() as session:
        found = session.scalars(select(Document.name).where(parse_filters(raw).clause()).order_by(Document.name)).all()
    assert "".join(name[0] for name in found) == names


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ("lang", "an object of field: condition"),
        ({"": 1}, "cannot be a field"),
        ({"x" * 256: 1}, "cannot be a field"),
        ({1: 1}, "cannot be a field"),
        ({"a": None}, "a text, a number or a truth value"),
        ({"a": [[1]]}, "a text, a number or a truth value"),
        ({"a": float("nan")}, "a text, a number or a truth value"),
        ({"a": 10**400}, "a text, a number or a truth value"),
        ({"a": []}, "1 to 100"),
        ({"a": list(range(101))}, "1 to 100"),
        ({"a": {}}, "is empty"),
        ({"a": {"like": "x"}}, "use gt, gte, lt and lte"),
        ({"a": {"eq": 1, "in": [1]}}, "use gt, gte, lt and lte"),
        ({"a": {"gt": True}}, "a text or a number"),
        ({"a": {"gt": 1, "lt": "2"}}, "mixes"),
        ({"name": 1}, "name is a text"),
        ({"media_type": {"gt": 1}}, "media_type is a text"),
        ({str(n): 1 for n in range(21)}, "at most 20"),
        ({"or": [{str(n): 1 for n in range(11)}, {str(n): 1 for n in range(11)}]}, "22 conditions"),
        ({"or": [{"a": 1}] * 21}, "at most 20"),
        ({"or": []}, "'or' is empty"),
        ({"or": [{}]}, "'or' is empty"),
        ({"or": {"a": 1}}, "a list of filters"),
        ({"not": [{"a": 1}]}, "an object of field: condition"),
        ({"a": {"exists": 1}}, "true or false"),
        ({"name": {"exists": True}}, "every document has a name"),
        ({"a": {"prefix": ""}}, "1 to 200 letters"),
        ({"added": "2024-01-01"}, "use gt, gte, lt and lte"),
        ({"added": {"gt": "yesterday"}}, "an ISO date"),
        ({"added": {"prefix": "2024"}}, "use gt, gte, lt and lte"),
    ],
)
def test_nonsense_is_one_clear_line(raw: Any, message: str) -> None:
    with pytest.raises(BadFilter, match=message) as caught:
        parse_filters(raw)
    assert "\n" not in str(caught.value)


def test_no_filter_is_falsy() -> None:
    assert not parse_filters(None)
    assert parse_filters({"a": 1})
    assert parse_filters({}) == Filters()


def test_what_passes_is_remembered_until_something_changes(corpus: Corpus) -> None:
    passing = Passing()
    whole = corpus.catalog.create_collection("whole")

    def keys(raw: dict[str, Any]) -> int:
        with corpus.database.read() as session:
            query = select(Collection.key).where(Collection.id == corpus.collection)
            found, among = passing.documents(session, (session.scalar(query) or 0,), parse_filters(raw))
            assert among == corpus.catalog.collection(corpus.collection).documents
            return len(found)

    first = corpus.put("a.txt", "one", metadata={"n": 1})
    corpus.put("b.txt", "two", metadata={"n": True})
    corpus.put("c.txt", "three", whole.id, metadata={"n": 1})
    assert [keys({"n": 1}), keys({"n": True}), keys({"name": "a.txt"})] == [1, 1, 1]
    assert [keys({"n": 1}), keys({"n": 1.0})] == [1, 1]
    corpus.put("d.txt", "four", metadata={"n": 1})
    assert keys({"n": 1}) == 2
    assert corpus.catalog.rename_document(first.document, "z.txt")
    assert [keys({"name": "a.txt"}), keys({"name": "z.txt"})] == [0, 1]
    assert corpus.catalog.delete_document(first.document)
    assert keys({"n": 1}) == 1


def test_what_is_remembered_equals_what_is_looked_up_anew(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    remembering, chance = Passing(), random.Random(3)
    raws = [{"n": {"lt": 3}}, {"not": {"n": 1}}, {"name": {"prefix": "1"}}, {"n": {"exists": True}}]
    monkeypatch.setattr("index.passing.MOST_CHANGED", 4)  # now and then the log is ahead by more
    for _ in range(25):
        for _ in range(chance.randrange(1, 5)):
            name = f"{chance.randrange(12)}.txt"
            fields = {"n": chance.randrange(5)} if chance.random() < 0.8 else {}
            done = corpus.put(name, f"text {chance.random()}", metadata=fields)
            if chance.random() < 0.3:
                corpus.catalog.delete_document(done.document)
        with corpus.database.read() as session:
            key = session.scalar(select(Collection.key).where(Collection.id == corpus.collection)) or 0
            for raw in chance.sample(raws, 2):
                found, among = remembering.documents(session, (key,), parse_filters(raw))
                anew, of = Passing().documents(session, (key,), parse_filters(raw))
                assert (found.tolist(), among) == (anew.tolist(), of)


@pytest.mark.parametrize(
    "raw",
    [
        {"n": {"lt": 3}},
        {"n": {"gte": 1, "lt": 3}},
        {"n": 3},
        {"n": [1, "a"]},
        {"s": "a"},
        {"s": {"prefix": "a"}},
        {"s": {"gte": "a"}},
        {"s": {"exists": True}},
        {"or": [{"n": {"lt": 1}}, {"not": {"s": {"exists": True}}}]},
    ],
    ids=str,
)
def test_a_filter_looks_at_the_fields_of_one_document_for_each(corpus: Corpus, raw: dict[str, Any]) -> None:
    """With a plan that goes through the fields of all documents for each, ten thousand of them take half a minute."""
    if not corpus.database.is_sqlite:
        return  # PostgreSQL chooses its plans by statistics
    corpus.put("a.txt", "one", metadata={"n": 1, "s": "a"})
    asked: list[tuple[str, Any]] = []

    def listen(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        asked.append((statement, parameters))

    event.listen(corpus.database.engine, "before_cursor_execute", listen)
    with corpus.database.read() as session:
        Passing().documents(session, (1,), parse_filters(raw))
        event.remove(corpus.database.engine, "before_cursor_execute", listen)
        plans = [
            row[-1]
            for statement, parameters in asked
            if "document_fields" in statement
            for row in session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        ]
    fields = [line for line in plans if "document_fields" in line]
    assert fields
    assert all("ix_document_fields_document (document=?)" in line for line in fields), fields
