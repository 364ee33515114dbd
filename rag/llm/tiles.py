"""Whether a build of llama.cpp may enter its AMX kernels. Reads the library's file only; knows no llama.cpp.

GCC drops most stores of the configuration that these kernels begin with, and the process then ends at the first large
batch. `make` therefore compiles with rag/llm/whole_tiles.h, which leaves a text in the library.
"""

from pathlib import Path
from typing import Final

MARK: Final = b"footnote: whole tile configuration"


def whole_tiles(folder: Path) -> bool:
    """Whether the processor's part of ggml in this folder was compiled with our header."""
    try:
        return any(MARK in library.read_bytes() for library in folder.glob("*ggml-cpu.*"))
    except OSError:
        return False
