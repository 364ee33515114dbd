"""Bytes become documents, chunks and rows. Knows no HTTP and no language model."""
