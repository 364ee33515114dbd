"""The command line: `footnote ...`. Parses words and prints values; every decision is made elsewhere."""

from rag.cli.root import main

__all__ = ["main"]
