"""A conversation as Markdown for people to keep. Pure: knows no HTTP and no SQL."""

from collections.abc import Iterable
from typing import Final

from rag.history_values import AnswerRecord, ConversationRecord

_STATUS: Final = {
    "answered": "Answered",
    "quoted": "Quoted from the documents",
    "abstained": "Not in the documents",
    "stopped": "Stopped",
    "failed": "Failed",
    "running": "Not finished",
}


def conversation_markdown(record: ConversationRecord) -> str:
    """The title, then each question with its answer, footnotes numbered through each answer."""
    parts = [f"# {_line(record.info.title)}"]
    for answer in record.answers:
        parts += [f"## {_line(answer.question)}", f"*{_STATUS[answer.status]}, {answer.created_at:%Y-%m-%d %H:%M} UTC*"]
        text, notes = footnoted(answer)
        parts += [part for part in (text, "\n".join(notes)) if part]
    return "\n\n".join(parts) + "\n"


def footnoted(answer: AnswerRecord) -> tuple[str, list[str]]:
    """The text with `[^n]` behind what is cited, unsupported sentences marked, and the lines of the notes."""
    numbers: dict[int, int] = {}
    marks: dict[int, str] = {}
    for citation in sorted(answer.citations, key=lambda citation: citation.end):
        for n in dict.fromkeys(span.n for span in citation.sources):
            number = numbers.setdefault(n, len(numbers) + 1)
            marks[citation.end] = marks.get(citation.end, "") + f"[^{number}]"
    for verdict in answer.verdicts:
        if verdict.verdict == "unsupported":
            marks[verdict.end] = marks.get(verdict.end, "") + " *(not backed by a source)*"
    sources = {source.n: source for source in answer.sources}
    notes = []
    for n, number in numbers.items():
        source = sources.get(n)
        if source is not None:
            page = f", page {source.page}" if source.page else ""
            notes.append(f"[^{number}]: {_line(source.title)}{page}, version {source.version}")
    return _marked(answer.text, marks.items()), notes


def _marked(text: str, marks: Iterable[tuple[int, str]]) -> str:
    out, before = [], 0
    for place, mark in sorted(marks):
        out += [text[before:place], mark]
        before = place
    return "".join([*out, text[before:]]).strip()


def _line(text: str) -> str:
    return " ".join(text.split())
