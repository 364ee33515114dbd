"""Language models behind one protocol. Knows no retrieval and no HTTP server."""
