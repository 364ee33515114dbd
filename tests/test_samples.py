"""The sample collection and its golden set keep their promises."""

import importlib.util
import json
import zipfile
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ingest.parse import ParseLimits, parse

SAMPLES = Path(__file__).parents[1] / "samples"
COLLECTION = SAMPLES / "merrowdeck"
DOCUMENTS = COLLECTION / "documents"


def golden() -> list[dict[str, Any]]:
    return cases_of("golden.jsonl") + cases_of("golden_more.jsonl")


def cases_of(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (COLLECTION / name).read_text(encoding="utf-8").splitlines()]


def squeezed(text: str) -> str:
    return " ".join(text.split())


def answering_spans() -> list[tuple[str, str]]:
    return [(span["document"], span["text"]) for case in golden() for span in case["spans"]]


def make_binary_documents() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_binary_documents", SAMPLES / "make_binary_documents.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    """Parsed text of every document, white space squeezed."""
    paths = sorted(path for path in DOCUMENTS.rglob("*") if path.is_file())
    names = [path.relative_to(DOCUMENTS).as_posix() for path in paths]
    return {
        name: squeezed(parse(path, name, limits=ParseLimits()).text) for path, name in zip(paths, names, strict=True)
    }


def test_there_are_25_to_40_documents_in_every_first_format() -> None:
    formats = Counter(path.suffix for path in DOCUMENTS.rglob("*") if path.is_file())
    assert 25 <= sum(formats.values()) <= 40
    assert set(formats) == {".md", ".rst", ".html", ".txt", ".csv", ".json", ".pdf", ".docx"}
    assert formats[".pdf"] == 2
    assert formats[".docx"] == 2


def test_the_golden_sets_have_questions_of_three_kinds() -> None:
    kinds = [Counter(case["kind"] for case in cases_of(name)) for name in ("golden.jsonl", "golden_more.jsonl")]
    assert kinds[0] == {"answerable": 36, "unanswerable": 14, "offtopic": 10}
    assert kinds[1] == {"answerable": 64, "unanswerable": 24, "offtopic": 12}
    assert len({case["id"] for case in golden()}) == len({case["question"] for case in golden()}) == 160


def test_only_answerable_questions_have_answers_and_each_answer_is_inside_a_span() -> None:
    for case in golden():
        if case["kind"] == "answerable":
            assert case["answers"]
            assert case["spans"]
            assert all(any(answer in span["text"] for span in case["spans"]) for answer in case["answers"]), case["id"]
        else:
            assert case["answers"] == case["spans"] == []


def test_answerable_questions_are_spread_over_the_formats() -> None:
    used = {Path(document).suffix for document, _ in answering_spans()}
    assert used == {".md", ".rst", ".html", ".txt", ".csv", ".json", ".pdf", ".docx"}


@pytest.mark.parametrize(("document", "text"), answering_spans())
def test_every_span_stands_exactly_once_in_its_parsed_document(document: str, text: str, texts: dict[str, str]) -> None:
    assert texts[document].count(squeezed(text)) == 1


def test_every_document_parses_to_text_with_a_title(texts: dict[str, str]) -> None:
    assert all(len(text) > 500 for text in texts.values())


def test_offered_examples_are_five_and_the_first_is_about_the_password() -> None:
    examples = json.loads((COLLECTION / "examples.json").read_text(encoding="utf-8"))
    assert len(examples["questions"]) == 5
    assert examples["questions"][0] == "How do I reset my password?"


def test_making_the_binary_documents_again_gives_equal_bytes(tmp_path: Path) -> None:
    maker = make_binary_documents()
    first = [path.read_bytes() for path in maker.make_all(tmp_path / "a")]
    assert first == [path.read_bytes() for path in maker.make_all(tmp_path / "b")]


def test_the_committed_binary_documents_are_those_of_the_sources(tmp_path: Path) -> None:
    for path in make_binary_documents().make_all(tmp_path):
        kept = DOCUMENTS / path.relative_to(tmp_path)
        if path.suffix == ".docx":  # the archive's compression may differ between builds of zlib; its content may not
            with zipfile.ZipFile(path) as made, zipfile.ZipFile(kept) as old:
                assert [(name, made.read(name)) for name in made.namelist()] == [
                    (name, old.read(name)) for name in old.namelist()
                ]
        else:
            assert path.read_bytes() == kept.read_bytes()
