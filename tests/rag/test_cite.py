from hypothesis import given
from hypothesis import strategies as st

from rag.cite import citation, match, sentences_of
from rag.events import Source
from rag.evidence import Evidence

TEXT = "The link is valid for 30 minutes. Choose a long password. It works once."


def source(n: int = 1, text: str = TEXT, start: int = 100) -> Source:
    return Source(n, f"d_{n}", 1, "Reset", 3, "", start, start + len(text), text, 0.5, "/x")


def evidence(a: int, b: int, n: int = 1, text: str = TEXT) -> Evidence:
    return Evidence(n, f"d_{n}", "sentence", 100 + a, 100 + b, text[a:b], "", 0.9)


VALID, LONG = evidence(0, 33), evidence(34, 57)


def test_the_nearest_evidence_backs_a_sentence():
    found = match("You have 30 minutes while the link is valid.", [LONG, VALID], [0.2, 0.8])
    assert [m.evidence for m in found] == [VALID]


def test_nothing_near_enough_backs_nothing():
    assert match("Lions sleep all day.", [LONG, VALID], [0.1, 0.05]) == []
    assert match("Anything", [], []) == []


def test_a_number_the_model_gave_tips_the_scale():
    twin = evidence(0, 33, n=2)
    found = match("The link is valid for 30 minutes.", [VALID, twin], [0.9, 0.9], named={2})
    assert found[0].evidence.n == 2


def test_a_citation_points_into_its_source_with_the_page():
    cited = citation(0, 12, [VALID], [source()])
    assert cited is not None
    assert cited.sources[0].page == 3
    assert source().text[cited.sources[0].start - 100 : cited.sources[0].end - 100] == VALID.text


@given(
    st.lists(st.tuples(st.integers(-5, 90), st.integers(-5, 90), st.integers(0, 4), st.booleans()), max_size=6),
    st.integers(0, 30),
    st.integers(0, 30),
)
def test_invariant_6_a_citation_names_a_source_in_the_prompt_and_a_span_that_exists(claims, start, end):
    sources = [source(1), source(2, TEXT[:40])]
    backing = [
        Evidence(n, f"d_{n}", "sentence", 100 + a, 100 + b, TEXT[max(a, 0) : max(b, 0)] if true else "made up", "", 0.9)
        for a, b, n, true in claims
    ]
    cited = citation(start, end, backing, sources)
    if cited is None:
        return
    assert cited.start < cited.end
    assert cited.sources
    for span in cited.sources:
        held = next(item for item in sources if item.n == span.n)
        assert held.start <= span.start < span.end <= held.end
        stated = held.text[span.start - held.start : span.end - held.start]
        assert any(item.text == stated and item.n == span.n for item in backing)


def test_sentences_of_an_answer():
    text = "It is so. Wait 30 minutes.\n- Then go."
    assert [text[a:b] for a, b in sentences_of(text)] == ["It is so.", "Wait 30 minutes.", "- Then go."]
