"""Each trap of faiss: that the library still has it, and that the view does not fall into it.

If a test of the library fails after an upgrade, the trap is gone or has moved: look at `index/vectors.py` and
`index/vector_base.py` again.
"""

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest
from numpy.typing import NDArray

from index.exact import best_first
from index.scope import Scope
from index.vectors import EXACT_ROWS, VectorMoment, VectorView
from tests.index.test_vectors import D, base, chunk_rows, clustered, unit_rows

KINDS = ("flat", "sq8", "ivf")


def opened(folder: Path, kind: str, count: int = 6000) -> VectorMoment:
    return VectorView(D, base(folder, kind, clustered(count))).moment()


class TestSelectors:
    """A selector may be ignored, and parameters that hold only a selector reset how hard is searched."""

    def test_the_library_resets_the_effort_of_lists(self) -> None:
        rows = clustered(4000)
        index = faiss.IndexIVFFlat(faiss.IndexFlatIP(D), D, 32, faiss.METRIC_INNER_PRODUCT)
        index.train(rows.vectors)
        index.add(rows.vectors)
        index.nprobe = 32
        query = unit_rows(1, seed=4)
        plain = index.search(query, 2000)[1]
        reset = index.search(query, 2000, params=faiss.SearchParametersIVF(sel=faiss.IDSelectorAll()))[1]
        assert (plain >= 0).sum() == 2000 > (reset >= 0).sum()

    def test_the_library_resets_the_effort_of_graphs(self) -> None:
        assert faiss.SearchParametersHNSW().efSearch == 16
        assert faiss.SearchParametersIVF().nprobe == 1

    @pytest.mark.parametrize("kind", KINDS)
    def test_the_view_keeps_its_effort_and_lets_nothing_else_through(self, tmp_path: Path, kind: str) -> None:
        rows = clustered(6000)
        moment = VectorView(D, base(tmp_path, kind, rows)).moment()
        allowed = rows.documents % 2 == 0
        assert allowed.sum() > EXACT_ROWS  # so many that the index itself is asked, with a selector
        found = 0
        for query in clustered(20, seed=9).vectors:
            _, chunks = moment.search(query, 10, Scope(documents=np.unique(rows.documents[allowed])))
            assert allowed[chunks - 1].all()
            scores = rows.vectors[allowed] @ query
            found += len(set(chunks.tolist()) & set(rows.chunks[allowed][best_first(scores, rows.chunks[allowed], 10)]))
        assert found >= 0.9 * 200


class TestPadding:
    """Where fewer than k rows are found, the library fills up with -1: taken for a position, that is the last row."""

    def test_the_library_pads(self) -> None:
        index = faiss.IndexFlatIP(D)
        index.add(unit_rows(3))
        assert index.search(unit_rows(1), 5)[1][0].tolist().count(-1) == 2

    @pytest.mark.parametrize("kind", KINDS)
    def test_the_view_returns_fewer(self, tmp_path: Path, kind: str) -> None:
        rows = chunk_rows(40)
        moment = VectorView(D, base(tmp_path, kind, rows)).moment()
        for scope, count in ((Scope(), 40), (Scope(documents=np.array([2])), 10), (Scope(documents=np.array([99])), 0)):
            scores, chunks = moment.search(unit_rows(1, seed=3)[0], 100, scope)
            assert len(chunks) == len(scores) == count
            assert set(chunks.tolist()) <= set(rows.chunks.tolist())


@pytest.mark.real
@pytest.mark.parametrize("kind", KINDS)
def test_a_forked_child_searches_though_its_parent_had_threads(tmp_path: Path, kind: str) -> None:
    """OpenMP's threads do not survive a fork; a child that waits for them waits for ever."""
    moment = opened(tmp_path, kind)
    query = clustered(6000).vectors[500]
    moment.search(query, 5)
    child = os.fork()
    if child == 0:
        os._exit(0 if moment.search(query, 5)[1][0] == 501 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


class TestThreads:
    """The number of threads is a setting of each calling thread, and other libraries bring their own OpenMP."""

    def test_a_search_takes_one_thread_wherever_it_is_called(self, tmp_path: Path) -> None:
        moment = opened(tmp_path, "sq8")
        seen: list[int] = []

        def search() -> None:
            faiss.omp_set_num_threads(4)
            moment.search(unit_rows(1)[0], 5)
            seen.append(faiss.omp_get_max_threads())

        threads = [threading.Thread(target=search) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert seen == [1, 1, 1]

    @pytest.mark.real
    def test_beside_openvino_and_llama_cpp_in_one_process(self, tmp_path: Path) -> None:
        """Four threads, all three libraries: no hang, no crash, and the same answers as alone."""
        program = Path(__file__).with_name("three_libraries.py")
        done = subprocess.run(
            [sys.executable, str(program), str(tmp_path)], capture_output=True, text=True, timeout=1800
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.split() == ["12", "12", "12"]


class TestDeletion:
    """A graph cannot forget, and a flat index that forgets moves the rows behind."""

    def test_the_library_refuses_or_moves(self) -> None:
        graph = faiss.IndexHNSWFlat(D, 8, faiss.METRIC_INNER_PRODUCT)
        graph.add(unit_rows(50))
        with pytest.raises(RuntimeError):
            graph.remove_ids(np.array([3]))
        flat = faiss.IndexFlatIP(D)
        rows = unit_rows(5)
        flat.add(rows)
        flat.remove_ids(np.array([1]))
        assert np.allclose(flat.reconstruct(1), rows[2])

    @pytest.mark.parametrize("kind", KINDS)
    def test_the_view_forgets_and_nothing_moves(self, tmp_path: Path, kind: str) -> None:
        rows = clustered(6000)
        view = VectorView(D, base(tmp_path, kind, rows))
        view.remove([50])
        moment = view.moment()
        for place in (499, 500, 505, 509, 510, 5999):  # document 50 has chunks 500 to 509
            chunk = place + 1
            first = moment.search(rows.vectors[place], 10)[1].tolist()
            assert (chunk in first) is bool(rows.documents[place] != 50)


class TestQuantisers:
    """Compressed indexes measure Euclidean distance unless told otherwise."""

    def test_the_library_forgets_the_inner_product(self) -> None:
        assert faiss.IndexScalarQuantizer(D, faiss.ScalarQuantizer.QT_8bit).metric_type == faiss.METRIC_L2

    @pytest.mark.parametrize("kind", ["sq8", "ivf"])
    def test_scores_of_the_view_are_inner_products(self, tmp_path: Path, kind: str) -> None:
        rows = clustered(6000)
        moment = VectorView(D, base(tmp_path, kind, rows)).moment()
        for query in unit_rows(5, seed=8):
            scores, chunks = moment.search(query, 10)
            assert np.allclose(scores, rows.vectors[chunks - 1] @ query, atol=0.02)
            assert (np.diff(scores) <= 0).all()

    def test_a_base_of_another_metric_is_refused(self, tmp_path: Path) -> None:
        rows = chunk_rows(20)
        snapshot = base(tmp_path, "flat", rows)
        other: Any = faiss.IndexFlatL2(D)
        other.add(rows.vectors)
        faiss.write_index(other, str(snapshot.part("index.faiss")))
        with pytest.raises(ValueError, match="inner product were wanted"):
            VectorView(D, snapshot)


def test_a_mapped_base_is_never_written(tmp_path: Path) -> None:
    """A process that has mapped a file dies of a signal if another truncates it: bases are written under new names."""
    rows = clustered(3000)
    view = VectorView(D, base(tmp_path, "flat", rows))
    before: list[NDArray[np.int64]] = [view.moment().search(query, 5)[1] for query in rows.vectors[:5]]
    names = {path for path in tmp_path.iterdir() if path.is_dir()}
    base(tmp_path, "flat", chunk_rows(10))
    assert names < {path for path in tmp_path.iterdir() if path.is_dir()}
    for query, found in zip(rows.vectors[:5], before, strict=True):
        assert np.array_equal(view.moment().search(query, 5)[1], found)
