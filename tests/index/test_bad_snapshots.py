"""Real snapshots of both views, damaged in every way: noticed, set aside, rebuilt; and readers keep their moment."""

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from index.embedder_stamp import EmbedderStamp
from index.search import Searcher
from index.snapshot import HEADER, Snapshots, _sealed, _write_header
from tests.fakes import HashEmbedder
from tests.index.corpus import Corpus

WORDS = ["queue", "message", "broker", "consumer", "ttl", "policy", "limit", "error", "disk", "password", "session"]
BLOCK = 4096


def fill(corpus: Corpus) -> None:
    for n in range(14):
        words = " ".join(WORDS[(n * 7 + step * (n % 5 + 1)) % len(WORDS)] for step in range(60))
        corpus.put(f"{n}.txt", f"document {n} {words}")


def opened(corpus: Corpus, embedder: Any = None, **limits: int) -> Searcher:
    chosen = {"flat_limit": 10, "sq8_limit": 10} | limits
    return Searcher(corpus.database, corpus.catalog, embedder or corpus.embedder, corpus.views, **chosen)  # type: ignore[arg-type]


def ranking(searcher: Searcher, corpus: Corpus) -> list[str]:
    return [each.name for each in searcher.search("queue limit error", collections=[corpus.collection]).passages]


@pytest.fixture
def saved(corpus: Corpus) -> Corpus:
    fill(corpus)
    searcher = opened(corpus)
    searcher.compact()
    searcher.close()
    return corpus


def parts(corpus: Corpus) -> list[Path]:
    return sorted(path for path in corpus.views.glob("*-*/*") if path.name != HEADER)


def serves(corpus: Corpus, path: Path) -> bool:
    """Whether the snapshot of this file passes for whole."""
    kind = path.parent.name.split("-")[0]
    snapshots = Snapshots(corpus.views, kind, json.loads((path.parent / HEADER).read_bytes().split(b"\n")[1])["stamp"])
    return not snapshots.faults()


def test_every_truncation_of_every_part_is_noticed(saved: Corpus) -> None:
    for path in parts(saved):
        whole = path.read_bytes()
        for length in [*range(0, len(whole), BLOCK), len(whole) - 1]:
            if length < 0:
                continue
            path.unlink()  # its other names, in folders of living views, keep their bytes
            path.write_bytes(whole[:length])
            assert not serves(saved, path), f"{path.name} cut at {length}"
        path.write_bytes(whole)
        assert serves(saved, path)


def test_flipped_bits_anywhere_are_noticed(saved: Corpus) -> None:
    chance = random.Random(20261122)
    for path in parts(saved):
        whole = path.read_bytes()
        for _ in range(min(40, len(whole) // 100 + 1)):
            content = bytearray(whole)
            content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
            path.unlink()
            path.write_bytes(content)
            assert not serves(saved, path)
        content = bytearray(whole)
        for at in chance.sample(range(len(whole)), len(whole) // 100 + 1):  # one byte in a hundred
            content[at] ^= 1 << chance.randrange(8)
        path.write_bytes(content)
        assert not serves(saved, path)
        path.write_bytes(whole)


@pytest.mark.parametrize("kind", ["dense", "lexical"])
def test_a_damaged_snapshot_is_set_aside_and_answers_stay_right(
    saved: Corpus, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    searcher = opened(saved)
    expected = ranking(searcher, saved)
    searcher.close()
    path = max((path for path in parts(saved) if path.parent.name.startswith(kind)), key=lambda p: p.stat().st_size)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.unlink()
    path.write_bytes(content)
    searcher = opened(saved)
    assert ranking(searcher, saved) == expected
    searcher.close()
    assert [path.name.split("-")[0] for path in saved.views.glob("*.bad")] == [kind]
    assert "is set aside and its view rebuilt" in caplog.text


@pytest.mark.parametrize("part", ["sketch.faiss", "bytes.npy", "range.npy", "rows.npy", "meta.json"])
def test_a_part_that_is_nonsense_under_a_good_checksum_is_rebuilt(saved: Corpus, part: str) -> None:
    searcher = opened(saved)
    expected = ranking(searcher, saved)
    searcher.close()
    (path,) = saved.views.glob(f"*-*/{part}")
    path.unlink()
    path.write_bytes(b"nonsense" * 10)
    header = json.loads((path.parent / HEADER).read_bytes().split(b"\n")[1])
    header["parts"][part] = _sealed(path)
    _write_header(path.parent / HEADER, header)
    assert serves(saved, path)
    searcher = opened(saved)
    assert ranking(searcher, saved) == expected
    searcher.close()


def test_snapshots_of_another_embedder_are_passed_over(saved: Corpus) -> None:
    (dense,) = saved.views.glob("dense-*")
    (rows,) = saved.views.glob("dense-*/bytes.npy")
    before = rows.read_bytes()
    other = HashEmbedder(dimension=16)
    assert ranking(opened(saved), saved)
    empty = Corpus(saved.folder / "empty")
    searcher = Searcher(empty.database, empty.catalog, other, saved.views)
    assert searcher.search("queue", collections=[empty.collection]).passages == ()
    searcher.close()
    empty.close()
    assert rows.read_bytes() == before
    assert dense.exists()


def test_a_stamp_that_lies_about_the_dimension_is_noticed(saved: Corpus) -> None:
    class Longer(HashEmbedder):
        """Claims the stamp of another embedder."""

        def __init__(self, stamp: EmbedderStamp) -> None:
            super().__init__(dimension=64)
            self.stamp = stamp

    lying = Longer(saved.embedder.stamp)
    searcher = Searcher(saved.database, saved.catalog, lying, saved.views)
    searcher._views._dimension = searcher._views._makers._dimension = 64
    with pytest.raises(ValueError, match="dimensions"):
        searcher.refresh()
    searcher.close()


def test_a_reader_keeps_its_moment_through_compactions_and_repairs(corpus: Corpus) -> None:
    fill(corpus)
    searcher = opened(corpus)
    searcher.compact()
    held = searcher._views.moment
    assert held is not None
    question = corpus.embedder.embed_query("queue limit error")
    before = held.dense.search(question, 30), held.lexical.search("queue limit error", 30)
    for n in range(4):
        corpus.catalog.delete_document(corpus.catalog.documents(corpus.collection, limit=1).items[0].id)
        corpus.put(f"new {n}.txt", "queue limit error anew")
        searcher.compact()
    searcher.repair()
    after = held.dense.search(question, 30), held.lexical.search("queue limit error", 30)
    for (scores, chunks), (scores_after, chunks_after) in zip(before, after, strict=True):
        assert np.array_equal(chunks, chunks_after)
        assert np.array_equal(scores, scores_after)
    searcher.close()


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def mapped(name: str) -> int:
    return sum(name in line for line in Path("/proc/self/maps").read_text().splitlines())


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts open files as Linux shows them")
def test_files_are_let_go(corpus: Corpus) -> None:
    fill(corpus)
    searcher = opened(corpus)
    searcher.compact()
    searcher.compact()
    files, maps = open_files(), mapped(f"{corpus.views}/dense-")
    for _ in range(5):
        corpus.put("again.txt", f"another text {random.random()}")
        searcher.compact()
    assert open_files() <= files + 2  # connections of the pool
    assert mapped(f"{corpus.views}/dense-") <= maps, "bases of before are let go"
    searcher.close()
    assert mapped(str(corpus.views)) == 0
    assert sorted(path.name.split("-")[0] for path in corpus.views.iterdir()) == ["dense", "lexical", "work.lock"]


def test_limits_that_were_set_anew_change_the_class(corpus: Corpus) -> None:
    fill(corpus)
    kinds = []
    for limits in ({"flat_limit": 10_000}, {"sq8_limit": 10_000}, {}, {"flat_limit": 10_000}):
        searcher = opened(corpus, **limits)
        searcher.refresh()
        if not searcher._views._makers.bases.busy and not kinds:
            searcher.compact()
        searcher._views._makers.bases.wait()
        searcher.refresh()
        kinds.append(searcher.status()["dense"])
        assert len(ranking(searcher, corpus)) == 10
        searcher.close()
    assert kinds == ["flat", "sq8", "ivf", "flat"]
