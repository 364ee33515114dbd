"""Faiss, OpenVINO and llama.cpp at work beside each other in one process: `three_libraries.py FOLDER`.

Prints how many rounds of each gave what the same library gave alone. Run by a test, in a process of its own: whatever
hangs or crashes here takes no test with it.
"""

import asyncio
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from index.embedder import open_embedder
from index.vectors import VectorView
from rag.llm.generator import Finished, GenerationRequest, Message
from rag.llm.local import open_local_engine
from rag.llm.registry import packaged_model
from tests.index.test_vectors import D, base, clustered

ROUNDS = 6


def main() -> None:
    """What the module's docstring says."""
    folder = Path(sys.argv[1])
    rows = clustered(6000)
    moment = VectorView(D, base(folder, "ivf", rows)).moment()
    embedder = open_embedder(threads=1, cache_folder=folder / "models")
    engine = open_local_engine(packaged_model(), context_tokens=512, queue=4, threads=1)

    async def speak() -> bool:
        request = GenerationRequest((Message("user", "Name a colour."),), max_tokens=8)
        return any([isinstance(event, Finished) async for event in engine.stream(request)])

    embedded = embedder.embed(["the queue has a limit"])
    works: tuple[Callable[[], Any], ...] = (
        lambda: moment.search(rows.vectors[500], 5)[1][0] == 501,
        lambda: np.allclose(embedder.embed(["the queue has a limit"]), embedded, atol=1e-3),
        lambda: asyncio.run(speak()),
    )
    right = [0, 0, 0]
    turn = threading.Lock()

    def work(place: int) -> None:
        for _ in range(ROUNDS):
            good = works[place]()
            with turn:
                right[place] += bool(good)

    threads = [threading.Thread(target=work, args=(place,)) for place in (0, 1, 2, 0, 1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    engine.close()
    embedder.close()
    sys.stdout.write(" ".join(map(str, right)) + "\n")


if __name__ == "__main__":
    main()
