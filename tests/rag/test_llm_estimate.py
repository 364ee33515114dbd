"""Token counts of closed models: never too small, and never from the network."""

import socket

import pytest
import tiktoken
import tiktoken_ext.openai_public
from hypothesis import given
from hypothesis import strategies as st

from rag.llm import estimate
from rag.llm.estimate import TokenEstimate, cached_encoding
from rag.llm.generator import Message


@pytest.fixture
def no_network(monkeypatch, tmp_path):
    def refuse(*_):
        raise AssertionError("somebody went to the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    return tmp_path


def bytewise():
    """A tokenizer that does the least a byte-level tokenizer can: one token per byte."""
    return tiktoken.Encoding(
        "bytes", pat_str=r"(?s).+", mergeable_ranks={bytes([b]): b for b in range(256)}, special_tokens={}
    )


@given(st.text(max_size=200))
def test_the_bound_is_never_below_a_byte_level_tokenizer(text):
    counted = len(bytewise().encode(text.encode("utf-8", "replace").decode("utf-8")))
    assert TokenEstimate().text(text) >= counted
    assert TokenEstimate().count([Message("user", text)]) > counted


def test_without_a_cached_encoding_nothing_is_fetched(no_network):
    estimate_ = TokenEstimate("gpt-4o")
    assert not estimate_.exact
    assert estimate_.text("Grüße") == 7


def test_a_damaged_cached_encoding_is_not_used_and_not_fetched_anew(no_network):
    name = estimate.hashlib.sha1(f"{estimate._FOLDER}o200k_base.tiktoken".encode()).hexdigest()
    (no_network / name).write_bytes(b"damaged")
    assert cached_encoding("gpt-4o") is None
    assert (no_network / name).read_bytes() == b"damaged"


def test_models_that_tiktoken_does_not_know_are_bounded(no_network):
    assert not TokenEstimate("mistral-large").exact


def test_the_addresses_and_checksums_are_those_of_tiktoken():
    source = tiktoken_ext.openai_public.__loader__.get_source("tiktoken_ext.openai_public")
    for name, checksum in estimate._SHA256.items():
        assert f'"{estimate._FOLDER}{name}.tiktoken"' in source
        assert checksum in source
