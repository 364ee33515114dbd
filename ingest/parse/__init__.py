"""One file per file format, and the child process they run in. Knows no chunks, no SQL."""
