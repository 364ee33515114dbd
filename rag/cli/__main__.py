"""`python -m rag.cli` is the same as `footnote`."""

from rag.cli.root import main

main()
