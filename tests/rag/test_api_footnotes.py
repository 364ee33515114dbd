"""An answer as one growing text with marks that is never withdrawn."""

from hypothesis import given
from hypothesis import strategies as st

from rag.api.footnotes import FootnotedText
from rag.events import AnswerEvent, Citation, Delta, Done, Notice, Replace, Source, Sources, SourceSpan, Verdict

SOURCES = Sources(
    tuple(
        Source(n, f"d_{n}", 1, f"Guide {n}", n, "", 100 * n, 100 * n + 50, "text", 1.0, f"/documents/d_{n}")
        for n in (1, 2, 3)
    )
)
DONE = Done("a", "answered", 1.0, "t")


def cited(start: int, end: int, *numbers: int) -> Citation:
    return Citation(start, end, tuple(SourceSpan(n, 100 * n, 100 * n + 9, n) for n in numbers))


def told(*events: AnswerEvent) -> tuple[FootnotedText, list[str]]:
    marked = FootnotedText()
    pieces = [marked.take(event) for event in (SOURCES, *events)]
    assert "".join(pieces) == marked.text
    return marked, pieces


def test_marks_stand_after_the_cited_sentences() -> None:
    marked, _ = told(
        Delta(0, "Hold the button. "),
        Delta(17, "Then wait."),
        cited(0, 16, 1),
        Verdict(0, 16, "supported", 0.9),
        cited(17, 27, 2, 1),
        Verdict(17, 27, "supported", 0.9),
        DONE,
    )
    assert marked.text == "Hold the button. [1] Then wait. [2][1]"
    first, second, third = marked.footnotes
    assert marked.text[first.start : first.end] == "Hold the button."
    assert marked.text[second.start : second.end] == marked.text[third.start : third.end] == "Then wait."
    assert (first.document, first.page, first.source_start, first.source_end, first.verdict) == (
        "d_1",
        1,
        100,
        109,
        "supported",
    )


def test_a_sentence_is_told_once_its_verdict_is_known() -> None:
    _, pieces = told(Delta(0, "One. Two."), Verdict(0, 4, "supported", 1), cited(0, 4, 1), DONE)
    assert pieces == ["", "", "One.", "", " [1] Two."]


def test_nothing_unsupported_is_told_before_the_end() -> None:
    marked, pieces = told(
        Delta(0, "Good. Bad. Good."),
        cited(0, 5, 1),
        Verdict(0, 5, "supported", 1),
        Verdict(6, 10, "unsupported", 0),
        Verdict(11, 16, "supported", 1),
        Replace("Quoted.", "unsupported"),
        cited(0, 7, 3),
        Verdict(0, 7, "supported", 1),
        DONE,
    )
    assert "Bad" not in "".join(pieces)
    assert marked.text == "Good. [1]\n\nQuoted. [3]"
    assert [marked.text[note.start : note.end] for note in marked.footnotes] == ["Good.", "Quoted."]


def test_unsupported_text_that_stands_is_told_at_the_end_and_said_so() -> None:
    marked, _ = told(Delta(0, "Bad. Good."), Verdict(0, 4, "unsupported", 0), cited(0, 4, 1), DONE)
    assert marked.text == "Bad. [1] Good."
    assert marked.footnotes[0].verdict == "unsupported"


def test_an_answer_without_verdicts_comes_whole_at_the_end() -> None:
    marked, pieces = told(Delta(0, "Not in "), Delta(7, "the documents."), DONE)
    assert pieces == ["", "", "", "Not in the documents."]
    assert marked.footnotes == []


SENTENCES = st.lists(
    st.tuples(
        st.text("abc é\n", min_size=1, max_size=8),
        st.sampled_from(["supported", "unverified", "unsupported"]),
        st.lists(st.sampled_from([1, 2, 3]), max_size=3, unique=True),
        st.booleans(),
    ),
    min_size=1,
    max_size=6,
)


@given(SENTENCES)
def test_without_its_marks_the_text_is_the_answer_and_spans_hit_their_sentences(sentences: list) -> None:  # type: ignore[type-arg]
    events: list[AnswerEvent] = []
    answer = ""
    spans = []
    for text, verdict, numbers, citation_first in sentences:
        start, answer = len(answer), answer + text
        end = len(answer)
        events.append(Delta(start, text))
        judged = Verdict(start, end, verdict, 0.5)
        notes = [cited(start, end, *numbers)] if numbers else []
        events += [*notes, judged] if citation_first else [judged, *notes]
        spans += [text] * len(numbers)
    marked, _ = told(*events, DONE)
    plain = marked.text
    for n in (1, 2, 3):
        plain = plain.replace(f"[{n}]", "\0")
    assert plain.replace(" \0", "\0").replace("\0", "") == answer
    assert [marked.text[note.start : note.end] for note in marked.footnotes] == spans


def test_a_notice_stands_above_the_text_and_moves_its_footnotes() -> None:
    notice = Notice("conflict", "Two documents say different things about this.", (1, 2))
    marked, _ = told(notice, Delta(0, "Wait."), cited(0, 5, 1), Verdict(0, 5, "supported", 0.9), DONE)
    assert marked.text == f"{notice.text}\n\nWait. [1]"
    assert marked.text[marked.footnotes[0].start : marked.footnotes[0].end] == "Wait."
    silent, _ = told(Notice("clarify", "Which?", options=("a", "b")), Delta(0, "Which? a; b."), DONE)
    assert silent.text == "Which? a; b."
