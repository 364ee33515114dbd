import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from index.exact import best_first, top_k

# Few different numbers make many ties.
numbers = st.sampled_from([-1.0, 0.0, 0.25, 0.5, 1.0])


@given(st.lists(st.tuples(numbers, st.booleans()), max_size=30), st.integers(0, 12))
def test_top_k_is_a_sorted_list_cut(rows: list[tuple[float, bool]], k: int) -> None:
    table = np.array([[score] for score, _ in rows], np.float32).reshape(-1, 1)
    allowed = np.array([fits for _, fits in rows], bool)
    wanted = sorted(((-score, at) for at, (score, fits) in enumerate(rows) if fits))[:k]
    D, I = top_k(np.ones((2, 1), np.float32), table, k, allowed)  # noqa: E741, N806
    assert D.shape == I.shape == (2, k)
    for scores, places in zip(D, I, strict=True):
        assert places.tolist() == [at for _, at in wanted] + [-1] * (k - len(wanted))
        assert scores[: len(wanted)].tolist() == [-score for score, _ in wanted]
        assert np.all(np.isneginf(scores[len(wanted) :]))


@given(st.lists(numbers, max_size=40), st.integers(1, 50), st.randoms())
def test_of_equal_scores_the_smaller_name_comes_first(scores: list[float], k: int, random: object) -> None:
    names = list(range(len(scores)))
    random.shuffle(names)  # type: ignore[attr-defined]
    best = best_first(np.array(scores, np.float32), np.array(names, np.int64), k)
    assert [(-scores[at], names[at]) for at in best] == sorted((-s, n) for s, n in zip(scores, names, strict=True))[:k]
