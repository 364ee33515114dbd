"""Data sets, metrics and reports. Asks `rag` as a user does and is imported by nobody below."""
