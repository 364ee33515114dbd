"""Text of scanned pages: pdfium draws the page, tesseract reads it. Knows no PDF text and no blocks.

Both are optional at run time: without tesseract, pages stay without text and the report says so.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from typing import Any

from ingest.parse.limits import ParseLimits

_DOTS_PER_INCH = 200
_MOST_PIXELS = 25_000_000  # of one page: beyond that it is drawn smaller
_PAGE_SECONDS = 60.0
_SHARE = 0.8  # of the time for the file that recognition may take


class Recogniser:
    """Reads pages of one PDF. `why_not` says why it reads none; `missed` counts pages that time did not allow."""

    def __init__(self, data: bytes, limits: ParseLimits) -> None:
        self._data = data
        self._languages = limits.ocr_languages
        self._until = time.monotonic() + limits.seconds * _SHARE
        self._program = shutil.which("tesseract")
        self._file: Any = None
        self.missed: list[int] = []
        self.why_not = ""
        if limits.ocr == "off":
            self.why_not = "text recognition is switched off (setting ingest.ocr)"
        elif self._program is None:
            self.why_not = "tesseract is not installed, so scanned pages cannot be read"

    def text(self, number: int) -> str:
        """The text of a page (1-based), its lines parted by line ends; empty when there is none or it failed."""
        if self.why_not:
            return ""
        left = self._until - time.monotonic()
        if left < 1.0:
            self.missed.append(number)
            return ""
        try:
            image = self._drawn(number - 1)
            return self._read(image, min(left, _PAGE_SECONDS))
        except subprocess.TimeoutExpired:
            self.missed.append(number)
        except (OSError, ValueError, RuntimeError, subprocess.SubprocessError) as error:
            self.missed.append(number)
            self.why_not = f"text recognition failed ({' '.join(str(error).split())[:150] or type(error).__name__})"
        return ""

    def close(self) -> None:
        """Give the drawn file back."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _drawn(self, index: int) -> bytes:
        """The page as a grey picture in the PGM form."""
        import pypdfium2  # only scans need it

        if self._file is None:
            self._file = pypdfium2.PdfDocument(self._data)
        page = self._file[index]
        try:
            width, height = page.get_size()
            scale = _DOTS_PER_INCH / 72
            scale *= min(1.0, (_MOST_PIXELS / max(1.0, width * height * scale * scale)) ** 0.5)
            bitmap = page.render(scale=scale, grayscale=True)
            pixels = bitmap.to_numpy()
            return b"P5 %d %d 255\n" % (pixels.shape[1], pixels.shape[0]) + bytes(pixels.tobytes())
        finally:
            page.close()

    def _read(self, image: bytes, seconds: float) -> str:
        assert self._program is not None
        command = [self._program, "stdin", "stdout", "-l", self._languages, "--dpi", str(_DOTS_PER_INCH)]
        environment = {**os.environ, "OMP_THREAD_LIMIT": "1"}
        done = subprocess.run(command, input=image, capture_output=True, timeout=seconds, env=environment, check=False)
        if done.returncode != 0:
            raise RuntimeError(done.stderr.decode("utf-8", errors="replace").strip() or "tesseract failed")
        return done.stdout.decode("utf-8", errors="replace").replace("\f", "").strip()


def recognise(
    data: bytes, limits: ParseLimits, empty: list[int], everything: list[int], take: Callable[[int, str], None]
) -> tuple[list[int], list[str]]:
    """(pages whose text was recognised, sentences for the report). `take` is given the text of each page.

    Of the pages, `empty` have no text layer; with `ocr` set to "always" all of `everything` are read.
    """
    wanted = everything if limits.ocr == "always" else empty
    if not wanted:
        return [], []
    reader = Recogniser(data, limits)
    found = []
    try:
        for number in wanted:
            text = reader.text(number)
            if text:
                take(number, text)
                found.append(number)
    finally:
        reader.close()
    notes = []
    if found:
        notes.append(f"text recognised in pictures (OCR), which may hold errors, on pages: {_numbers(found)}")
    left = [number for number in empty if number not in found]
    if left and reader.why_not:
        notes.append(f"pages without text: {_numbers(left)}; {reader.why_not}")
    elif reader.missed:
        notes.append(f"pages not read, because time ran out (setting ingest.parse_seconds): {_numbers(reader.missed)}")
    return found, notes


def _numbers(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers[:20])) + (", ..." if len(numbers) > 20 else "")
