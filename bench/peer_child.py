"""A peer's ingest, run by the Python of the peer's own environment: `peer_child.py PEER DOCUMENTS MODEL FOLDER`.

Knows nothing of Footnote. DOCUMENTS is a JSON list of texts; the index goes to FOLDER. Prints one JSON line. Each peer
is used as its own documentation shows: its splitter, its defaults, the same model.
"""

import importlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_WARM = ["A few words to load what is loaded late."] * 16


def txtai(texts: list[str], model: str, folder: str) -> Callable[[], int]:
    """Paragraphs into an index with content: FAISS beside SQLite."""
    embeddings = importlib.import_module("txtai").Embeddings
    embeddings(path=model, content=True).index(_WARM)
    index: Any = embeddings(path=model, content=True)

    def work() -> int:
        parts = [part.strip() for text in texts for part in text.split("\n\n") if part.strip()]
        index.index(parts)
        index.save(folder)
        return len(parts)

    return work


def langchain(texts: list[str], model: str, folder: str) -> Callable[[], int]:
    """The recursive splitter, Hugging Face embeddings, FAISS saved to disk."""
    embed = importlib.import_module("langchain_huggingface").HuggingFaceEmbeddings(model_name=model)
    splitter = importlib.import_module("langchain_text_splitters").RecursiveCharacterTextSplitter(
        chunk_size=1000, chunk_overlap=100
    )
    faiss = importlib.import_module("langchain_community.vectorstores").FAISS
    embed.embed_documents(_WARM)

    def work() -> int:
        documents = splitter.create_documents(texts)
        faiss.from_documents(documents, embed).save_local(folder)
        return len(documents)

    return work


PEERS = {"txtai": txtai, "langchain": langchain}


def main() -> None:
    """What the module's docstring shows."""
    peer, documents, model, folder = sys.argv[1:]
    texts = json.loads(Path(documents).read_text(encoding="utf-8"))
    work = PEERS[peer](texts, model, folder)
    began = time.perf_counter()
    parts = work()
    sys.stdout.write(json.dumps({"seconds": time.perf_counter() - began, "parts": parts}) + "\n")


if __name__ == "__main__":
    main()
