"""Where a request goes and what a batch holds, with literals."""

from rag.llm.scheduler import (
    LEAST_BITTEN,
    MOST_BITTEN,
    NEARLY_EQUAL,
    WORTH_COPYING,
    Bite,
    Pace,
    Placement,
    SlotView,
    Want,
    common_prefix,
    halves,
    place,
    plan,
    turns,
)


def slot(sequence, tokens=(), *, busy=False, tenant="", shared=0, used=0):
    return SlotView(sequence, busy, tuple(tokens), tenant, shared, used)


LONG = tuple(range(200))


def test_common_prefix():
    assert common_prefix([1, 2, 3], [1, 2, 4]) == 2
    assert common_prefix([1, 2], [1, 2, 3]) == 2
    assert common_prefix([], [1]) == 0
    assert common_prefix([5], [6]) == 0


def test_an_empty_house_takes_the_longest_unused_slot():
    assert place(LONG, 0, "", [slot(0, used=2), slot(1, used=1)]) == Placement(1, 0, None)


def test_nothing_is_placed_while_all_are_busy():
    assert place(LONG, 0, "", [slot(0, busy=True)]) is None


def test_a_follow_up_returns_to_its_own_slot():
    slots = [slot(0, used=1), slot(1, LONG[:150], used=2)]
    assert place(LONG, 0, "", slots) == Placement(1, 150, None)


def test_the_last_token_of_a_prompt_is_always_decoded():
    assert place(LONG, 0, "", [slot(0, LONG)]) == Placement(0, len(LONG) - 1, None)


def test_another_tenants_words_are_not_reused_but_the_system_prompt_is():
    slots = [slot(0, LONG[:150], tenant="a", shared=60)]
    assert place(LONG, 60, "b", slots) == Placement(0, 60, None)
    assert place(LONG, 60, "a", slots) == Placement(0, 150, None)
    assert place(LONG, 0, "b", slots) == Placement(0, 0, None)


def test_a_long_prefix_is_copied_from_a_busy_slot():
    slots = [slot(0, LONG[:150], busy=True), slot(1)]
    assert place(LONG, 0, "", slots) == Placement(1, 150, 0)


def test_a_short_prefix_is_not_worth_copying():
    slots = [slot(0, LONG[: WORTH_COPYING - 1], busy=True), slot(1)]
    assert place(LONG, 0, "", slots) == Placement(1, 0, None)


def test_of_nearly_equal_slots_the_longest_unused_one_goes():
    slots = [slot(0, LONG[:100], used=9), slot(1, LONG[: 101 - NEARLY_EQUAL], used=1)]
    assert place(LONG, 0, "", slots) == Placement(1, 101 - NEARLY_EQUAL, None)


def test_generating_answers_get_their_token_and_prompts_the_rest():
    wants = [Want(0, 1), Want(1, 500), Want(2, 1), Want(3, 30)]
    assert plan(wants, batch=256, chunk=64) == [Want(0, 1), Want(2, 1), Want(1, 64)]


def test_alone_prompts_fill_the_batch_in_order_of_arrival():
    assert plan([Want(1, 200), Want(0, 100)], batch=256, chunk=64) == [Want(1, 200), Want(0, 56)]


def test_a_batch_never_holds_more_than_agreed():
    wants = [Want(n, 1) for n in range(8)] + [Want(9, 50)]
    assert sum(want.tokens for want in plan(wants, batch=6, chunk=64)) == 6
    assert sum(want.tokens for want in plan(wants, batch=10, chunk=64)) == 10


def test_pieces_of_prompts_take_a_blink_for_each_who_waits_for_a_first_word():
    bite = Bite()
    assert [bite.tokens(unread) for unread in (0, 1, 2, 9)] == [MOST_BITTEN * n for n in (1, 1, 2, 4)]
    for _ in range(30):
        bite.decoded(100, 0.5)  # 30 tokens in 0.15 s
    assert [bite.tokens(unread) for unread in (1, 2, 9)] == [30, 60, 120]
    bite.decoded(LEAST_BITTEN - 1, 9.0)
    assert bite.tokens() == 30, "small batches say nothing of prompts"


def test_halves_end():
    assert halves([Want(0, 1), Want(1, 9), Want(2, 1)]) == [[Want(0, 1)], [Want(1, 9), Want(2, 1)]]
    assert halves([Want(1, 9)]) == [[Want(1, 4)]]
    assert halves([Want(1, 1)]) == []


def test_the_estimate_follows_what_answers_took():
    pace = Pace(4.0)
    before = pace.wait(3, 2)
    for _ in range(30):
        pace.finished(1.0)
    assert before == 8.0
    assert 1.9 < pace.wait(3, 2) < 2.2


def test_one_who_asks_much_delays_others_by_one_answer():
    waiting = [("a", False), ("a", False), ("a", False), ("b", False), ("c", False)]
    assert turns(waiting, {}) == [0, 3, 4, 1, 2]
    assert turns(waiting, {"a": 2, "c": 1}) == [3, 4, 0, 1, 2]


def test_people_go_before_background_work_and_equals_in_order_of_arrival():
    assert turns([("x", True), ("", False), ("", False), ("y", True)], {}) == [1, 2, 0, 3]
    assert turns([("", False)] * 5, {"": 4}) == [0, 1, 2, 3, 4]
    assert turns([], {}) == []
