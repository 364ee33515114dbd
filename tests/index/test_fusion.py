import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.fusion import DENSE_WEIGHT, LEXICAL_WEIGHT, fuse, reciprocal_rank, single


def rankings(lowest: float) -> st.SearchStrategy[list[tuple[int, float]]]:
    scores = st.floats(lowest, 30, allow_nan=False)
    found = st.lists(st.tuples(st.integers(1, 20), scores), unique_by=lambda pair: pair[0], max_size=12)
    return found.map(lambda pairs: sorted(pairs, key=lambda pair: (-pair[1], pair[0])))


def test_both_stages_are_set_against_their_best() -> None:
    found = fuse([(1, 0.9), (2, 0.5), (3, 0.1)], [(2, 12.0), (4, 6.0)])
    assert [(each.chunk, pytest.approx(each.score)) for each in found] == [
        (2, DENSE_WEIGHT / 2 + LEXICAL_WEIGHT),
        (1, DENSE_WEIGHT),
        (4, LEXICAL_WEIGHT / 2),
        (3, 0.0),
    ]
    assert found[0].stages == {
        "dense": 0.5,
        "dense_rank": 2,
        "lexical": 12.0,
        "lexical_rank": 1,
        "fused": found[0].score,
        "reciprocal_rank": pytest.approx(1 / 62 + 1 / 61),
    }
    assert "lexical" not in found[1].stages


@given(rankings(-1), rankings(0))
def test_every_candidate_comes_once_with_a_score_between_0_and_1(
    dense: list[tuple[int, float]], lexical: list[tuple[int, float]]
) -> None:
    found = fuse(dense, lexical)
    assert sorted(each.chunk for each in found) == sorted({chunk for chunk, _ in (*dense, *lexical)})
    assert found == sorted(found, key=lambda each: (-each.score, each.chunk))
    assert all(-1e-9 <= each.score <= 1 + 1e-9 for each in found)
    assert all(each.stages["reciprocal_rank"] == reciprocal_rank(each.stages) for each in found)


@given(rankings(-1))
def test_a_single_stage_keeps_its_order_and_scores(ranking: list[tuple[int, float]]) -> None:
    found = single("dense", ranking)
    assert [(each.chunk, each.score) for each in found] == ranking
    assert [each.stages["dense_rank"] for each in found] == list(range(1, len(ranking) + 1))
