"""Collections and documents as rows: what is written, replaced, deleted and logged."""

from dataclasses import replace

import numpy as np
import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError

from index.catalog import NewChunk, embedded_text, text_hash
from index.errors import (
    BadCollection,
    BadCursor,
    CollectionExists,
    EmbedderMismatch,
    NoSuchCollection,
    NoSuchDocument,
)
from index.schema import Base, Chunk, ChunkVector, Document, DocumentField, DocumentText
from tests.index.corpus import Corpus, new_document

ON_EVERY_DATABASE = True

LONG = "a queue holds messages until a consumer takes them, or until their time to live is over"


def count(corpus: Corpus, table: type[Base]) -> int:
    with corpus.database.read() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def test_a_document_comes_back_as_it_went_in(corpus: Corpus) -> None:
    put = corpus.put("queues.md", LONG, metadata={"product": "broker"})
    assert (put.outcome, put.version) == ("added", 1)
    found = corpus.catalog.document(put.document)
    assert (found.name, found.title, found.collection) == ("queues.md", "queues", corpus.collection)
    assert (found.characters, found.chunks, found.pages) == (len(LONG), 3, ((1, 0, len(LONG)),))
    assert found.metadata == {"product": "broker"}
    assert found.created_at.tzinfo is not None
    assert corpus.catalog.document_text(put.document) == LONG
    assert corpus.catalog.document_text(put.document, 2, 7) == LONG[2:7]
    assert corpus.catalog.collection("docs").documents == 1
    assert corpus.catalog.collection(corpus.collection).chunks == 3


@pytest.mark.parametrize("name", ["", "A", "a b", "-a", "a" * 65, "ä", "a/b"])
def test_names_of_collections_are_checked(corpus: Corpus, name: str) -> None:
    with pytest.raises(BadCollection, match="cannot name a collection"):
        corpus.catalog.create_collection(name)


def test_collections_are_unique_and_found_by_name_or_id(corpus: Corpus) -> None:
    with pytest.raises(CollectionExists):
        corpus.catalog.create_collection("docs")
    with pytest.raises(NoSuchCollection):
        corpus.catalog.collection("nothing")
    with pytest.raises(BadCollection, match="egress"):
        corpus.catalog.create_collection("other", egress="maybe")  # type: ignore[arg-type]
    assert corpus.catalog.collection("docs") == corpus.catalog.collection(corpus.collection)
    assert corpus.catalog.collection("docs").egress == "deny"


def test_invariant_1_a_commit_is_whole_or_absent(corpus: Corpus) -> None:
    good = new_document(corpus.collection, "a.txt", LONG, corpus.embedder)
    # The database refuses the last chunk's row, when the document and its text are written already.
    broken = replace(good.chunks[-1], tokens=object())  # type: ignore[arg-type]
    with pytest.raises(DBAPIError, match=r"not supported|cannot adapt"):
        corpus.catalog.put_document(replace(good, chunks=[*good.chunks[:-1], broken]))
    assert [count(corpus, table) for table in (Document, DocumentText, Chunk, ChunkVector)] == [0, 0, 0, 0]
    assert corpus.catalog.latest_seq() == 0


def test_invariant_5_chunk_text_is_an_exact_span(corpus: Corpus) -> None:
    document = new_document(corpus.collection, "a.txt", LONG, corpus.embedder)
    shifted = replace(document.chunks[1], start=document.chunks[1].start + 1)
    beyond = NewChunk(1, 30, len(LONG) + 5, LONG[30:])
    for wrong in (shifted, beyond):
        with pytest.raises(ValueError, match="exact span"):
            corpus.catalog.put_document(replace(document, chunks=[document.chunks[0], wrong, *document.chunks[2:]]))
    put = corpus.catalog.put_document(document)
    text = corpus.catalog.document_text(put.document)
    assert all(text[each.start : each.end] == each.text for each in corpus.catalog.chunks(put.document))


def test_vectors_must_fit_their_chunks(corpus: Corpus) -> None:
    document = new_document(corpus.collection, "a.txt", LONG, corpus.embedder)
    with pytest.raises(ValueError, match="one row per chunk"):
        corpus.catalog.put_document(replace(document, vectors=document.vectors[:-1]))
    with pytest.raises(ValueError, match="unit rows"):
        corpus.catalog.put_document(replace(document, vectors=document.vectors * 2))
    with pytest.raises(ValueError, match="unit rows"):
        corpus.catalog.put_document(replace(document, vectors=document.vectors * np.float32(np.nan)))


def test_invariant_7_equal_bytes_are_one_document(corpus: Corpus) -> None:
    first = corpus.put("a.txt", LONG)
    assert corpus.put("a.txt", LONG).outcome == "unchanged"
    again = corpus.put("copy-of-a.txt", LONG)
    assert (again.outcome, again.document) == ("unchanged", first.document)
    assert count(corpus, Document) == 1
    other = corpus.catalog.create_collection("other").id
    assert corpus.put("a.txt", LONG, collection=other).outcome == "added"


def test_new_bytes_under_a_name_are_a_new_version(corpus: Corpus) -> None:
    old = corpus.put("a.txt", LONG)
    new = corpus.put("a.txt", LONG + ", or until the queue is deleted")
    assert (new.outcome, new.version) == ("replaced", 2)
    before = corpus.catalog.document(old.document)
    assert (before.state, before.superseded_by, before.chunks) == ("superseded", new.document, 0)
    assert corpus.catalog.document_text(old.document) == LONG
    assert corpus.catalog.chunks(old.document) == ()
    assert count(corpus, Chunk) == count(corpus, ChunkVector) == 4
    assert [change.kind for change in corpus.catalog.changes_after(1)] == ["add", "delete"]
    back = corpus.put("a.txt", LONG)
    assert (back.outcome, back.version) == ("replaced", 3)
    listed = corpus.catalog.documents(corpus.collection, include_superseded=True).items
    assert [(each.version, each.state) for each in listed] == [(3, "current"), (2, "superseded"), (1, "superseded")]


def test_a_name_whose_bytes_another_name_holds_gives_way(corpus: Corpus) -> None:
    a, b = corpus.put("a.txt", LONG), corpus.put("b.txt", "something else")
    moved = corpus.catalog.put_known_bytes(corpus.collection, "b.txt", corpus.catalog.document(a.document).content_hash)
    assert moved is not None
    assert (moved.outcome, moved.document) == ("replaced", a.document)
    assert corpus.catalog.document(b.document).state == "superseded"
    assert corpus.catalog.put_known_bytes(corpus.collection, "c.txt", "0" * 64) is None


def test_invariant_9_vectors_of_two_models_never_mix(corpus: Corpus) -> None:
    corpus.put("a.txt", LONG)
    with pytest.raises(EmbedderMismatch, match=r"holds vectors of .* but these are of other"):
        corpus.put("b.txt", "other words", stamp="other")
    assert corpus.catalog.collection("docs").documents == 1
    # An empty collection belongs to no model yet.
    corpus.catalog.delete_document(corpus.catalog.documents(corpus.collection).items[0].id)
    assert corpus.put("b.txt", "other words", stamp="other").outcome == "added"
    assert corpus.catalog.collection("docs").stamp == "other"


def test_deleting_takes_the_older_versions_along_and_is_idempotent(corpus: Corpus) -> None:
    old = corpus.put("a.txt", LONG, metadata={"a": 1})
    new = corpus.put("a.txt", "new words", metadata={"a": 2})
    assert corpus.catalog.delete_document(new.document) is True
    assert corpus.catalog.delete_document(new.document) is False
    for gone in (old, new):
        with pytest.raises(NoSuchDocument):
            corpus.catalog.document(gone.document)
        with pytest.raises(NoSuchDocument):
            corpus.catalog.document_text(gone.document)
    assert [count(corpus, table) for table in (Document, DocumentText, DocumentField, Chunk, ChunkVector)] == [0] * 5


def test_chunk_ids_are_never_used_twice(corpus: Corpus) -> None:
    first = corpus.put("a.txt", LONG)
    used = {chunk.id for chunk in corpus.catalog.chunks(first.document)}
    corpus.catalog.delete_document(first.document)
    second = corpus.put("b.txt", LONG)
    assert used.isdisjoint(chunk.id for chunk in corpus.catalog.chunks(second.document))


def test_deleting_a_collection_logs_every_document(corpus: Corpus) -> None:
    put = [corpus.put(f"{n}.txt", f"text number {n}") for n in range(3)]
    seq = corpus.catalog.latest_seq()
    assert corpus.catalog.delete_collection(corpus.collection) is True
    assert corpus.catalog.delete_collection(corpus.collection) is False
    changes = corpus.catalog.changes_after(seq)
    assert {(each.document, each.kind) for each in changes} == {(each.document, "delete") for each in put}
    assert count(corpus, Chunk) == 0


def test_lists_page_by_cursor_newest_first(corpus: Corpus) -> None:
    for n in range(5):
        corpus.put(f"{n}.txt", f"text number {n}")
    seen, cursor = [], None
    while True:
        page = corpus.catalog.documents(corpus.collection, limit=2, cursor=cursor)
        seen += [document.name for document in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == ["4.txt", "3.txt", "2.txt", "1.txt", "0.txt"]
    for nonsense in ("%%%", "", "YWJj"):
        with pytest.raises(BadCursor):
            corpus.catalog.documents(corpus.collection, cursor=nonsense)
    with pytest.raises(NoSuchCollection):
        corpus.catalog.documents("c_nothing")


def test_vectors_of_equal_text_are_known(corpus: Corpus) -> None:
    document = new_document(corpus.collection, "a.txt", LONG, corpus.embedder)
    corpus.catalog.put_document(document)
    stamp = corpus.embedder.stamp.key
    hashes = [text_hash(embedded_text(chunk.heading, chunk.text)) for chunk in document.chunks]
    known = corpus.catalog.known_vectors(stamp, [*hashes, text_hash("unknown")])
    assert set(known) == set(hashes)
    for name, row in zip(hashes, document.vectors, strict=True):
        assert known[name].dtype == np.float32
        assert float(known[name] @ row) == pytest.approx(1, abs=1e-3)
    assert corpus.catalog.known_vectors("other", hashes) == {}
    assert text_hash(embedded_text("Heading", "text")) != text_hash(embedded_text("", "text"))


def test_a_document_without_chunks_is_kept(corpus: Corpus) -> None:
    put = corpus.put("empty.txt", "")
    assert corpus.catalog.document(put.document).chunks == 0
    assert corpus.catalog.collection("docs").stamp == ""


def test_a_collection_can_be_changed(corpus: Corpus) -> None:
    changed = corpus.catalog.update_collection(corpus.collection, description="all of it", egress="allow")
    assert (changed.name, changed.description, changed.egress) == ("docs", "all of it", "allow")
    assert corpus.catalog.update_collection(corpus.collection, name="papers").id == corpus.collection
    corpus.catalog.create_collection("other")
    with pytest.raises(CollectionExists):
        corpus.catalog.update_collection(corpus.collection, name="other")
    with pytest.raises(BadCollection):
        corpus.catalog.update_collection(corpus.collection, name="No Name")
    with pytest.raises(NoSuchCollection):
        corpus.catalog.update_collection("c_nothing", description="x")
    assert corpus.catalog.collection(corpus.collection).name == "papers"


def test_the_metadata_of_a_collection_is_changed_key_by_key(corpus: Corpus) -> None:
    change = corpus.catalog.update_collection
    assert change(corpus.collection, metadata={"a": 1, "b": 2}).metadata == {"a": 1, "b": 2}
    assert change(corpus.collection, metadata={"a": None, "c": 3}).metadata == {"b": 2, "c": 3}
    assert change(corpus.collection, description="x").metadata == {"b": 2, "c": 3}


def test_versions_of_a_name_are_listed_newest_first(corpus: Corpus) -> None:
    put = [corpus.put("a.txt", f"version number {n}").document for n in range(3)]
    corpus.put("b.txt", "another")
    for document in put:
        assert [each.id for each in corpus.catalog.versions(document)] == put[::-1]
    with pytest.raises(NoSuchDocument):
        corpus.catalog.versions("d_nothing")
