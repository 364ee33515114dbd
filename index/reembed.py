"""Builds a new generation of vectors while another serves, and switches. Knows no command and no view.

It may be killed at any moment: what was embedded is committed batch by batch, and the next run goes on from there.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from index.embedder import Embedder
from index.generations import Generations, Unembedded

BATCH = 256  # chunks between two commits: a few seconds of work

Vectors = NDArray[np.float32]
Progress = Callable[[int, int], None]  # (vectors, chunks)


def build_and_switch(generations: Generations, embedder: Embedder, progress: Progress) -> None:
    """Embed every chunk that lacks a vector of `embedder`, documents that come meanwhile too; then let it serve.

    The generation must have begun. `progress` is called after every batch; what it raises ends the work, which goes on
    from there when it is called again.
    """
    stamp = embedder.stamp.key

    def embed(chunks: Sequence[Unembedded]) -> Vectors:
        return embed_whole(embedder, [each.text for each in chunks])

    while True:
        after = 0
        done, chunks = generations.progress(stamp)
        while batch := generations.lacking(stamp, after, BATCH):
            generations.store(stamp, batch, embed(batch))
            after = batch[-1].chunk
            done += len(batch)
            progress(done, max(done, chunks))
        if generations.switch(stamp, embed):
            progress(*generations.progress(stamp))
            return


def embed_whole(embedder: Embedder, texts: Sequence[str]) -> Vectors:
    """(n, d) unit rows. A text that is longer than the model reads gets the mean of its pieces: nothing is left out.

    Chunks were cut for the model before, and another one may read less or count tokens otherwise.
    """
    pieces = [_pieces(embedder, text) for text in texts]
    flat = [piece for some in pieces for piece in some]
    rows = embedder.embed(flat)
    sizes = np.array([max(1, embedder.count(piece)) for piece in flat], np.float32)
    starts = np.cumsum([0, *(len(some) for some in pieces)])[:-1]
    sums: Vectors = np.add.reduceat(rows * sizes[:, None], starts, axis=0)
    sums /= np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-9)
    return sums


def _pieces(embedder: Embedder, text: str) -> list[str]:
    limit = embedder.max_tokens - 2
    if embedder.count(text) <= limit:
        return [text]
    spans = embedder.offsets(text)
    found = []
    for at in range(0, len(spans), limit):
        window = spans[at : at + limit]
        piece = text[window[0][0] : window[-1][1]]
        # A piece alone may have a token more than it has inside the text.
        found += [piece] if embedder.count(piece) <= limit else _halves(embedder, piece)
    return found


def _halves(embedder: Embedder, text: str) -> list[str]:
    middle = len(text) // 2
    return [*_pieces(embedder, text[:middle]), *_pieces(embedder, text[middle:])]
