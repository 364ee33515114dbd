"""The parts of the embedder that run no model: stamps, batch plans, tokenizer, reading a model's folder."""

import json
import shutil
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.embedder import EmbedderStamp, open_embedder
from index.embedder_batches import plan_batches
from index.embedder_model import find_model, read_model
from index.embedder_tokens import PIECE_CHARACTERS, Tokens
from index.errors import EmbedderUnavailable
from tests.fakes import HashEmbedder

STAMP = EmbedderStamp("all-MiniLM-L6-v2", "abc", "bf16", "mean", 256, 384)


@cache
def packaged_tokens() -> Tokens:
    return Tokens(find_model("all-MiniLM-L6-v2"), 256)


@pytest.fixture
def tokens() -> Tokens:
    return packaged_tokens()


@pytest.mark.parametrize(
    "change",
    [{"revision": "abd"}, {"precision": "fp32"}, {"pooling": "cls"}, {"max_tokens": 128}, {"dimension": 32}],
)
def test_invariant_9_every_part_of_the_stamp_changes_its_key(change: dict[str, object]) -> None:
    assert replace(STAMP, **change).key != STAMP.key


def test_stamp_key_is_stable_and_fits_file_names() -> None:
    assert STAMP.key == EmbedderStamp("all-MiniLM-L6-v2", "abc", "bf16", "mean", 256, 384).key
    assert STAMP.key.startswith("all-MiniLM-L6-v2-bf16-")
    assert "/" not in replace(STAMP, model="a/b c").key


@given(
    lengths=st.lists(st.integers(1, 600), max_size=200),
    budget=st.integers(1, 5000),
    step=st.sampled_from([1, 8, 16]),
    lanes=st.integers(1, 4),
)
def test_a_plan_holds_every_row_once_within_budget(lengths: list[int], budget: int, step: int, lanes: int) -> None:
    batches = plan_batches(lengths, budget=budget, step=step, lanes=lanes)
    assert sorted(row for batch in batches for row in batch.rows) == list(range(len(lengths)))
    for batch in batches:
        longest = max(lengths[row] for row in batch.rows)
        assert longest <= batch.width < longest + step
        assert len(batch.rows) == 1 or len(batch.rows) * batch.width <= budget


def test_a_small_job_gives_every_lane_one_batch() -> None:
    batches = plan_batches([90, 88, 60, *[40] * 9, *[20] * 8], budget=2048, step=16, lanes=2)
    assert [len(batch.rows) * batch.width for batch in batches] == [672, 624]


@given(st.text(max_size=300))
def test_invariant_5_offsets_are_spans_of_the_text(text: str) -> None:
    tokens = packaged_tokens()
    spans = tokens.offsets(text)
    assert len(spans) == tokens.count(text)
    assert all(0 <= start < end <= len(text) for start, end in spans)
    assert all(a[0] <= b[0] for a, b in pairwise(spans))


def test_offsets_count_characters_not_bytes(tokens: Tokens) -> None:
    text = "Größe – 日本 naïve 🙂 end"
    assert [text[s:e] for s, e in tokens.offsets(text)][-1] == "end"
    assert "日" in [text[s:e] for s, e in tokens.offsets(text)]


def test_nothing_is_truncated_or_padded(tokens: Tokens) -> None:
    text = "queue " * 2000
    assert tokens.count(text) == 2000
    assert tokens.offsets(text)[-1] == (len(text) - 6, len(text) - 1)


def test_very_long_text_is_tokenised_in_pieces_with_the_same_result(tokens: Tokens) -> None:
    line = "The broker closes the channel after 30 minutes.\n"
    text = line * (2 * PIECE_CHARACTERS // len(line) + 5)
    per_line = tokens.count(line)
    spans = tokens.offsets(text)
    assert len(spans) == tokens.count(text) == per_line * text.count("\n")
    assert text[slice(*spans[-2])] == "minutes"


def test_a_text_beyond_the_limit_is_refused_with_both_numbers(tokens: Tokens) -> None:
    tokens.encode(["a " * 254])
    with pytest.raises(ValueError, match=r"255 tokens but this model reads 254"):
        tokens.encode(["a " * 255])


def test_a_long_question_keeps_its_beginning_and_its_special_tokens(tokens: Tokens) -> None:
    short, long = tokens.encode_query("a " * 254), tokens.encode_query("a " * 900)
    assert long == short
    assert len(long) == 256


def test_packaged_model_is_read_from_its_own_files() -> None:
    model = read_model("all-MiniLM-L6-v2")
    assert (model.pooling, model.max_tokens, model.dimension, model.convertible) == ("mean", 256, 384, True)
    assert read_model("sentence-transformers/all-MiniLM-L6-v2") == model


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    source = find_model("all-MiniLM-L6-v2")
    folder = tmp_path / "model"
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns("*.safetensors", "README.md", "data_config.json"))
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


def test_revision_follows_weights_and_configuration(copied: Path) -> None:
    before = read_model(str(copied)).revision
    assert read_model(str(copied)).revision == before
    (copied / "model.safetensors").write_bytes(b"other weights")
    after = read_model(str(copied)).revision
    (copied / "sentence_bert_config.json").write_text('{"max_seq_length": 128}')
    assert len({before, after, read_model(str(copied)).revision}) == 3


def test_new_style_pooling_is_read(copied: Path) -> None:
    (copied / "1_Pooling" / "config.json").write_text(json.dumps({"embedding_dimension": 384, "pooling_mode": "cls"}))
    assert read_model(str(copied)).pooling == "cls"


@pytest.mark.parametrize(
    ("remove", "complaint"),
    [
        ("modules.json", "modules.json is missing"),
        ("tokenizer.json", "no tokenizer.json"),
        ("model.safetensors", "holds no weights"),
        ("1_Pooling/config.json", "is missing"),
    ],
)
def test_an_incomplete_model_is_one_clear_line(copied: Path, tmp_path: Path, remove: str, complaint: str) -> None:
    (copied / remove).unlink()
    with pytest.raises(EmbedderUnavailable, match=complaint) as caught:
        open_embedder(model=str(copied), cache_folder=tmp_path / "cache")
    assert "\n" not in str(caught.value)


def test_an_unknown_model_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(EmbedderUnavailable, match="neither a folder nor a model"):
        open_embedder(model="no-such/model", cache_folder=tmp_path)


def test_hash_embedder_keeps_the_contract() -> None:
    embedder = HashEmbedder()
    rows = embedder.embed(["reset the password", "", "queue length limit"])
    assert rows.shape == (3, 32)
    assert rows.dtype == np.float32
    assert np.allclose(np.linalg.norm(rows, axis=1), 1)
    assert np.array_equal(embedder.embed_query("reset the password"), rows[0])
    with pytest.raises(ValueError, match="300 tokens but this model reads 254"):
        embedder.embed(["a " * 300])
