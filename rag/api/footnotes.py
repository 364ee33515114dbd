"""An answer's events as one growing text with `[n]` marks, for protocols that cannot take back what they said.

Pure: takes events, gives text. Knows no protocol. What it gives out is never withdrawn, so it gives a sentence only
once its verdict is known, and holds everything from the first unsupported sentence on until the end: if the answer is
replaced by quoted evidence, the unsupported text was never said.
"""

from dataclasses import dataclass

from rag.events import AnswerEvent, Citation, Delta, Done, Notice, Replace, Source, Sources, Verdict, VerdictName


@dataclass(frozen=True, slots=True)
class Footnote:
    """The span [start, end) of the marked text rests on [source_start, source_end) of a document."""

    start: int
    end: int
    document: str
    title: str
    page: int | None
    source_start: int
    source_end: int
    verdict: VerdictName


class FootnotedText:
    """Feed every event to `take`; the pieces it returns, joined, are `text`. `footnotes` is whole after `Done`."""

    def __init__(self) -> None:
        self.text = ""
        self.footnotes: list[Footnote] = []
        self._sources: dict[int, Source] = {}
        self._answer = ""  # the answer's own text, without marks
        self._told = 0  # characters of it that were given out
        self._base = 0  # where it begins in the marked text
        self._marks: dict[int, int] = {}  # position in the answer -> characters of marks put there
        self._citations: list[Citation] = []
        self._verdicts: dict[int, Verdict] = {}  # by end
        self._held = False  # an unsupported sentence was seen: nothing more until the end

    def take(self, event: AnswerEvent) -> str:
        """The marked text that has become certain with this event; often empty."""
        before = len(self.text)
        match event:
            case Sources(sources=sources):
                self._sources = {source.n: source for source in sources}
            case Notice(kind=kind, text=text):
                if kind != "clarify":  # an answer that asks back says it itself
                    self.text += f"{text}\n\n"
                    self._base = len(self.text)
            case Delta(text=text):
                self._answer += text
            case Citation():
                self._citations.append(event)
            case Verdict():
                self._verdicts[event.end] = event
                self._held = self._held or event.verdict == "unsupported"
                if not self._held:
                    self._tell(event.end)
            case Replace(text=text):
                self._begin_anew(text)
            case Done():
                self._tell(len(self._answer))
                self._mark(self._told)
                self._note()
        return self.text[before:]

    def _tell(self, end: int) -> None:
        """Give out the answer's characters up to `end`, with the marks of every citation that ends on the way.

        A mark at `end` itself waits, because another citation may still point there.
        """
        for stop in sorted({citation.end for citation in self._citations if self._told <= citation.end < end}):
            self.text += self._answer[self._told : stop]
            self._told = stop
            self._mark(stop)
        self.text += self._answer[self._told : end]
        self._told = max(self._told, end)

    def _mark(self, position: int) -> None:
        numbers = [span.n for citation in self._citations if citation.end == position for span in citation.sources]
        if numbers and position not in self._marks:
            mark = " " + "".join(f"[{n}]" for n in dict.fromkeys(numbers))
            self._marks[position] = len(mark)
            self.text += mark

    def _begin_anew(self, text: str) -> None:
        """The answer is replaced: keep what was said, which was supported, and go on below it."""
        self._citations = [citation for citation in self._citations if citation.end <= self._told]
        self._mark(self._told)
        self._note()
        if self.text:
            self.text += "\n\n"
        self._base = len(self.text)
        self._answer, self._told, self._held = text, 0, False
        self._marks, self._citations, self._verdicts = {}, [], {}

    def _note(self) -> None:
        """Turn the citations into footnotes at their place in the marked text."""
        for citation in self._citations:
            verdict = self._verdict(citation)
            start, end = self._place(citation.start, after_mark=True), self._place(citation.end, after_mark=False)
            for span in citation.sources:
                source = self._sources[span.n]
                footnote = Footnote(start, end, source.document, source.title, span.page, span.start, span.end, verdict)
                self.footnotes.append(footnote)

    def _verdict(self, citation: Citation) -> VerdictName:
        covering = [v for v in self._verdicts.values() if v.start < citation.end and citation.start < v.end]
        return covering[-1].verdict if covering else "unverified"

    def _place(self, position: int, *, after_mark: bool) -> int:
        """Where a position of the answer stands in the marked text: behind or before the mark put there."""
        marks = (length for at, length in self._marks.items() if at < position or (after_mark and at == position))
        return self._base + position + sum(marks)
