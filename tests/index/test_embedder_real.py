"""The embedder with real weights: against its oracle, its batches, its threads, its files."""

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from index import embedder_openvino
from index.embedder import Embedder, open_embedder
from index.errors import EmbedderUnavailable

pytestmark = [
    pytest.mark.real,
    pytest.mark.filterwarnings("ignore::FutureWarning"),  # from inside torch and transformers
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]

SENTENCES = [
    "To reset your password, open Settings and choose Security.",
    "The queue drops messages once its length limit is reached.",
    "Größe, naïveté and 日本語 are written with more than ASCII.",
    "x",
    "Refunds are paid within ten working days to the card that was charged. " * 12,
    "A message that expires before a consumer takes it is moved to the dead letter exchange. " * 9,
]
TEXTS = [f"{sentence} Case {i}." for i in range(12) for sentence in SENTENCES]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def fast(cache: Path) -> Iterator[Embedder]:
    embedder = open_embedder(backend="openvino", precision="auto", cache_folder=cache)
    yield embedder
    embedder.close()


@pytest.fixture(scope="module")
def oracle(cache: Path) -> Embedder:
    return open_embedder(backend="sentence-transformers", cache_folder=cache)


def cosines(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.einsum("nd,nd->n", a.astype(np.float64), b.astype(np.float64))


def test_rows_are_unit_float32(fast: Embedder) -> None:
    rows = fast.embed(TEXTS)
    assert rows.shape == (len(TEXTS), fast.stamp.dimension)
    assert rows.dtype == np.float32
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=2e-3)
    assert fast.embed([]).shape == (0, fast.stamp.dimension)


@pytest.mark.parametrize(("precision", "least"), [("fp32", 0.9995), ("auto", 0.999), ("int8", 0.999)])
def test_agrees_with_sentence_transformers(cache: Path, oracle: Embedder, precision: str, least: float) -> None:
    embedder = open_embedder(backend="openvino", precision=precision, cache_folder=cache)
    alike = cosines(embedder.embed(TEXTS), oracle.embed(TEXTS))
    assert alike.mean() >= least
    assert alike.min() >= least - 0.002
    assert cosines(embedder.embed_query(SENTENCES[0])[None], oracle.embed_query(SENTENCES[0])[None])[0] >= least
    embedder.close()


def test_a_row_does_not_depend_on_its_neighbours(fast: Embedder) -> None:
    alone = np.concatenate([fast.embed([text]) for text in TEXTS[:12]])
    assert cosines(alone, fast.embed(TEXTS)[:12]).min() >= 0.9995
    assert cosines(alone, fast.embed(TEXTS[::-1])[::-1][:12]).min() >= 0.9995


def test_in_eight_bits_too_a_row_does_not_depend_on_its_neighbours(cache: Path) -> None:
    embedder = open_embedder(backend="openvino", precision="int8", cache_folder=cache)
    alone = np.concatenate([embedder.embed([text]) for text in TEXTS[:12]])
    assert cosines(alone, embedder.embed(TEXTS)[:12]).min() >= 0.9995
    assert "-int8-" in embedder.stamp.key
    embedder.close()


def test_without_bf16_the_gate_decides(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedder_openvino, "choose_precision", lambda *_: "fp32")  # as on a processor without bf16
    embedder = open_embedder(backend="openvino", cache_folder=cache)
    embedder.close()
    (kept,) = cache.glob("*-int8.json")
    found = json.loads(kept.read_text())
    assert found["cosine"] >= 0.999
    assert found["recall"] >= 0.95
    assert embedder.stamp.precision == ("int8" if found["speed"] >= 1.15 else "fp32")
    kept.write_text(json.dumps(found | {"cosine": 0.9}))
    worse = open_embedder(backend="openvino", cache_folder=cache)
    worse.close()
    assert worse.stamp.precision == "fp32"
    with pytest.raises(EmbedderUnavailable, match=r"mean cosine 0\.9000 to fp32"):
        open_embedder(backend="openvino", precision="int8", cache_folder=cache)
    kept.unlink()


def test_question_and_document_vectors_are_of_one_space(fast: Embedder) -> None:
    queries = np.stack([fast.embed_query(text) for text in SENTENCES])
    assert cosines(queries, fast.embed(SENTENCES)).min() >= 0.9995


def test_many_threads_get_their_own_rows(fast: Embedder) -> None:
    expected = fast.embed(SENTENCES)
    wrong: list[int] = []

    def work(seed: int) -> None:
        order = np.random.default_rng(seed).permutation(len(SENTENCES))
        for _ in range(3):
            if cosines(fast.embed([SENTENCES[i] for i in order]), expected[order]).min() < 0.9995:
                wrong.append(seed)
            if float(fast.embed_query(SENTENCES[order[0]]) @ expected[order[0]]) < 0.9995:
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_nothing_is_cut_silently(fast: Embedder, oracle: Embedder) -> None:
    for embedder in (fast, oracle):
        embedder.embed(["a " * (embedder.max_tokens - 2)])
        with pytest.raises(ValueError, match="255 tokens but this model reads 254"):
            embedder.embed(["short", "a " * (embedder.max_tokens - 1)])
    long = "reset the password " * 300
    assert float(fast.embed_query(long) @ oracle.embed_query(long)) >= 0.999


def test_a_warm_start_imports_no_torch(fast: Embedder, cache: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from index.embedder import open_embedder\n"
        f"e = open_embedder(backend='openvino', cache_folder=Path({str(cache)!r}))\n"
        "e.embed(['a text']); e.embed_query('a question'); e.count('x'); e.close()\n"
        "print(sorted({'torch', 'transformers', 'sentence_transformers'} & set(sys.modules)), e.stamp.key)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=300)
    assert done.stdout.strip() == f"[] {fast.stamp.key}"


def test_damaged_converted_files_are_made_again(cache: Path, tmp_path: Path, fast: Embedder) -> None:
    open_embedder(backend="openvino", cache_folder=tmp_path).close()
    graph = next(tmp_path.glob("*/model.xml"))
    graph.write_text("<broken")
    again = open_embedder(backend="openvino", cache_folder=tmp_path)
    assert cosines(again.embed(SENTENCES), fast.embed(SENTENCES)).min() >= 0.9999
    assert {path.name for path in tmp_path.iterdir()} == {graph.parent.name, "compiled"}


@pytest.fixture
def small_model(tmp_path: Path) -> Callable[..., Path]:
    """Writes a sentence-transformers model of one's own: a tiny BERT with random weights."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Dense, Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling
    from transformers import AutoTokenizer, BertConfig, BertModel

    from index.embedder_model import find_model

    def make(pooling: str, dense: bool = False) -> Path:
        torch.manual_seed(7)
        bare = tmp_path / "bare"
        BertModel(
            BertConfig(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64)
        ).save_pretrained(bare)
        AutoTokenizer.from_pretrained(find_model("all-MiniLM-L6-v2")).save_pretrained(bare)
        modules: list[Any] = [Transformer(str(bare), max_seq_length=64), Pooling(32, pooling_mode=pooling)]
        if dense:
            modules.append(Dense(32, 16))
        folder = tmp_path / f"own-{pooling}"
        SentenceTransformer(modules=modules, device="cpu").save(str(folder), create_model_card=False)
        return folder

    return make


@pytest.mark.parametrize("pooling", ["mean", "cls", "max"])
def test_a_model_by_path_with_its_own_pooling(small_model: Callable[..., Path], tmp_path: Path, pooling: str) -> None:
    folder = small_model(pooling)
    converted = open_embedder(model=str(folder), backend="openvino", precision="fp32", cache_folder=tmp_path / "cache")
    plain = open_embedder(model=str(folder), backend="sentence-transformers", cache_folder=tmp_path / "cache")
    assert converted.stamp == plain.stamp
    assert (converted.stamp.pooling, converted.max_tokens, converted.stamp.dimension) == (pooling, 64, 32)
    texts = SENTENCES[:4]
    assert cosines(converted.embed(texts), plain.embed(texts)).min() >= 0.9995


def test_a_model_that_cannot_be_converted_falls_back_or_says_so(
    small_model: Callable[..., Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = small_model("mean", dense=True)
    with pytest.raises(EmbedderUnavailable, match="cannot be converted for OpenVINO"):
        open_embedder(model=str(folder), backend="openvino", cache_folder=tmp_path / "cache")
    embedder = open_embedder(model=str(folder), backend="auto", cache_folder=tmp_path / "cache")
    assert "sentence-transformers embeds instead" in caplog.text
    rows = embedder.embed(SENTENCES[:2])
    assert rows.shape == (2, embedder.stamp.dimension)
