"""Which rows and items answer together, and that a quoted table is whole or of the rows that were meant."""

from dataclasses import replace

from rag.compose import MOST_QUOTED, quote
from rag.evidence import Evidence
from rag.together import together, with_siblings

HEADER = "Product | Warranty"
TABLE = ("Hub M2 | 2 years", "Hub M2 Pro | 3 years", "Sensors | 2 years", "Spare parts | 6 months")


def rows(*scores: float, texts: tuple[str, ...] = TABLE, document: str = "d_1") -> list[Evidence]:
    """Evidence of a table, best first, as the scorer gives it."""
    made, start = [], 20
    for text, score in zip(texts, scores, strict=True):
        made.append(Evidence(1, document, "row", start, start + len(text), text, "", score, {}, HEADER, 0, 20))
        start += len(text) + 1
    return sorted(made, key=lambda item: -item.score)


def answer(question: str, ranked: list[Evidence]) -> str:
    return quote(with_siblings(question, ranked, ranked, MOST_QUOTED)).text


def test_a_question_that_names_no_row_gets_every_row_in_order():
    assert answer("How long is the warranty?", rows(0.3, 0.6, 0.5, 0.55)) == "\n".join((HEADER, *TABLE))


def test_a_question_that_names_a_row_gets_the_rows_of_that_name():
    text = answer("How long is the warranty on the hub?", rows(0.6, 0.5, 0.3, 0.3))
    assert text == "\n".join((HEADER, *TABLE[:2]))
    assert answer("How long is the warranty on spare parts?", rows(0.3, 0.3, 0.3, 0.6)) == f"{HEADER}\n{TABLE[3]}"


def test_where_one_row_stands_out_it_was_meant():
    ranked = rows(0.9, 0.1, 0.1, 0.1)
    assert together("How long may I keep it?", ranked[0], ranked) == (ranked[0],)


def test_a_table_too_long_to_quote_is_not_quoted_whole():
    texts = tuple(f"{name} | {'very ' * 30}long" for name in "abcd")
    ranked = rows(0.6, 0.6, 0.6, 0.6, texts=texts)
    assert together("How long is it?", ranked[0], ranked) == (ranked[0],)


def test_rows_of_another_table_and_sentences_stay_apart():
    ranked = rows(0.6, 0.6, 0.6, 0.6)
    other = [replace(item, among=900, start=item.start + 900) for item in ranked]
    assert together("How long is it?", ranked[0], [*ranked, *other]) == tuple(ranked)
    sentence = replace(ranked[0], kind="sentence", among=-1)
    assert together("How long is it?", sentence, [sentence, *ranked]) == (sentence,)


def test_the_same_rows_elsewhere_are_not_quoted_again():
    here = rows(0.6, 0.59, 0.58, 0.57)
    there = rows(0.5, 0.5, 0.5, 0.5, document="d_2")
    assert answer("How long is it?", [*here, *there]).count("Sensors") == 1


def test_rows_below_a_better_sentence_come_whole_too():
    sentence = Evidence(2, "d_2", "sentence", 0, 30, "It is as long as the table says.", "", 0.7)
    text = answer("How long is the warranty?", [sentence, *rows(0.5, 0.5, 0.5, 0.5)])
    assert text == "\n".join((sentence.text, HEADER, *TABLE))


def test_a_time_that_is_asked_about_names_no_row():
    ranked = rows(
        0.6, 0.5, 0.3, 0.3, texts=("Spark | 30 days", "Studio | 13 months", "Site | 3 years", "Estate | 7 years")
    )
    assert answer("Does Spark keep it for more than a year?", ranked) == f"{HEADER}\nSpark | 30 days"
