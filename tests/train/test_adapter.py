"""What the default model is to be taught to say: brief, from one source, and nothing that the notes do not hold."""

import random

from index.passage import Passage
from rag.evidence import Evidence
from rag.tuning import CANNOT
from train.adapter import Finder, Row, brief, taught, wanted


def note(n: int, text: str) -> Evidence:
    return Evidence(n, str(n), "sentence", 0, len(text), text, "", 1.0)


def row(question: str, *answers: str, context: str = "", said: str = "") -> Row:
    return Row(question, context, answers, said, "squad")


def test_a_sentence_loses_what_was_not_asked_for() -> None:
    sentence = (
        "In 1884, the tower (also called the Needle) was built in Lyon by Anna Roth, who had never built one before "
        "and would not build another."
    )
    assert brief(sentence, "Lyon", "Where was the tower built?") == "The tower was built in Lyon by Anna Roth."
    assert brief(sentence, "1884", "When was the tower built?").startswith("In 1884, the tower was built")
    assert "who had never built one" in brief(sentence, "Lyon", "Where did she build one before?")
    assert brief("The tower stands in Lyon", "Lyon", "Where?") == "The tower stands in Lyon."


def test_the_answer_names_its_source() -> None:
    notes = [note(3, "The tower is old."), note(1, "It was cold. The tower stands in Lyon, near the river.")]
    assert wanted(row("Where does the tower stand?", "Lyon"), notes) == "The tower stands in Lyon, near the river. [1]"


def test_what_the_notes_do_not_hold_is_not_said() -> None:
    notes = [note(1, "The tower is old."), note(2, "Lions sleep.")]
    assert wanted(row("Where does the tower stand?", "Lyon"), notes) == CANNOT
    assert wanted(row("Where does the tower stand?", "LIONS"), notes) == "", "said in another way: nobody can tell"
    assert wanted(row("What is it like?", "old", said="The tower is old."), notes) == "The tower is old. [1]"
    made_up = row("What is it like?", "old", said="The tower is old. It was restored by monks in 1210.")
    assert wanted(made_up, notes) == ""


def test_prompts_hold_several_passages_and_questions_without_an_answer_are_among_them() -> None:
    places = ["Lyon", "Bonn", "Graz", "Oslo", "Turin", "Riga", "Cork", "Bath"]
    texts = [f"The tower of number {n} stands in {place}. It is {n} metres high." for n, place in enumerate(places)]
    passages = [
        Passage(n, str(n), "c", 1, "c", "Towers", "Towers", None, 0, len(text), text, 0.0)
        for n, text in enumerate(texts)
    ]
    rows = [
        row(f"Where does the tower of number {n} stand?", place, context=texts[n]) for n, place in enumerate(places)
    ] * 12
    found = list(taught(Finder(passages), rows, random.Random(1)))
    assert len(found) > 80
    assert all(len({item.document for item in evidence}) > 1 for _, evidence, _ in found)
    silent = [item for item in found if item[2] == CANNOT]
    assert 5 <= len(silent) <= 40
    for asked, evidence, answer in found:
        if answer == CANNOT:
            assert not any(asked.answers[0] in item.text for item in evidence)
        else:
            number = int(answer.rpartition("[")[2].removesuffix("]"))
            assert any(asked.answers[0] in item.text for item in evidence if item.n == number)
            assert asked.answers[0] in answer
