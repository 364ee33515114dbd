"""AMX is entered only by builds that keep the whole tile configuration, and then says what other kernels say."""

import numpy as np
import pytest

from rag.llm import llama, tiles
from rag.llm.decoder import Segment
from rag.llm.registry import packaged_model

PROMPT = "The reset link is valid for 30 minutes. Hold the button until the lamp turns green, then wait. " * 5


def test_the_header_leaves_the_text_that_is_looked_for(tmp_path):
    header = (tiles.Path(tiles.__file__).parent / "whole_tiles.h").read_bytes()
    assert header.count(tiles.MARK) == 1
    (tmp_path / "libggml-cpu.so").write_bytes(b"\x7fELF" + bytes(100) + tiles.MARK + bytes(100))
    assert tiles.whole_tiles(tmp_path)


def test_a_library_without_it_or_none_is_not_trusted(tmp_path):
    assert not tiles.whole_tiles(tmp_path / "nowhere")
    (tmp_path / "libggml-cpu.so").write_bytes(b"\x7fELF" + bytes(100))
    (tmp_path / "libggml-base.so").write_bytes(tiles.MARK)
    assert not tiles.whole_tiles(tmp_path)


@pytest.mark.real
def test_the_fastest_layouts_say_what_plain_ones_say(monkeypatch):
    """Where this build has AMX and may enter it, this compares it with AVX; elsewhere only repacked weights."""
    seen = []
    for allowed in (llama.extra_layouts(), False):
        monkeypatch.setattr(llama, "extra_layouts", lambda allowed=allowed: allowed)
        model = llama.LlamaModel(packaged_model())
        context = llama.LlamaContext(model, sequences=1, context_tokens=256, batch_tokens=128, threads=1)
        try:
            tokens = model.tokenize(PROMPT)[:100]
            # A large batch, a small one, and a single token: each has kernels of its own.
            for start, end in ((0, 90), (90, 99), (99, 100)):
                assert context.decode([Segment(0, start, tokens[start:end], True)]) == 0
                scores = context.logits(end - start - 1).astype(np.float64)
                scores -= scores.max()
                seen.append(scores - np.log(np.exp(scores).sum()))
        finally:
            context.close()
    for fast, plain in zip(seen[:3], seen[3:], strict=True):
        assert float((np.exp(plain) * (plain - fast)).sum()) < 0.05  # nats; AMX against AVX-512: 0.002
