"""Names of models, and files that are no models. Nothing is loaded here."""

import contextlib
import random
import struct
from dataclasses import replace
from pathlib import Path

import pytest

from rag.errors import ModelUnavailable, NoSuchModel
from rag.llm.gguf import read_header
from rag.llm.registry import Models, packaged_model
from rag.settings import Settings

KEYS = {
    "openai_api_key": "sk-secret-1",
    "openai_model": "gpt-x",
    "anthropic_api_key": "sk-secret-2",
    "anthropic_model": "claude-x",
}


def text(value):
    return struct.pack("<Q", len(value)) + value.encode()


def gguf(*pairs, tensors=1, offset=0, version=3, weights=b"\0" * 64):
    body = b"GGUF" + struct.pack("<IQQ", version, tensors, len(pairs))
    for key, kind, value in pairs:
        body += text(key) + struct.pack("<I", kind) + value
    for n in range(tensors):
        body += text(f"t{n}") + struct.pack("<IQIQ", 1, 16, 0, offset)
    return body + weights


SMALL = gguf(
    ("general.architecture", 8, text("llama")),
    ("llama.context_length", 4, struct.pack("<I", 2048)),
    ("general.license", 8, text("mit")),
    ("tokens", 9, struct.pack("<IQ", 8, 2) + text("a") + text("b")),
    ("scores", 9, struct.pack("<IQ", 6, 2) + struct.pack("<ff", 1.0, 2.0)),
)


@pytest.fixture
def file(tmp_path):
    def write(data):
        path = tmp_path / "model.gguf"
        path.write_bytes(data)
        return path

    return write


def test_what_a_file_says_about_itself(file):
    header = read_header(file(SMALL), arrays=True)
    assert (header.context_tokens, header.licence, header.name, header.tensors) == (2048, "mit", "model", 1)
    assert header.arrays == {"tokens": ("a", "b"), "scores": (1.0, 2.0)}
    assert read_header(file(SMALL)).arrays == {}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not a GGUF file"),
        (b"PK\x03\x04 a zip file", "not a GGUF file"),
        (gguf(version=99), "version 99"),
        (gguf(tensors=0), "holds no weights"),
        (gguf(offset=10**9), "last weights are missing"),
        (gguf(("k", 77, b"")), "unknown type 77"),
        (gguf(("k", 9, struct.pack("<IQ", 8, 2**60))), "announces"),
        (b"GGUF" + struct.pack("<IQQ", 3, 2**63, 0), "announces"),
        (b"GGUF" + struct.pack("<IQQ", 3, 1, 1) + struct.pack("<Q", 2**62), "announces"),
    ],
)
def test_damaged_files_are_refused_in_one_line(file, data, words):
    with pytest.raises(ModelUnavailable, match=words) as refused:
        read_header(file(data))
    assert "\n" not in str(refused.value)


def test_a_file_cut_anywhere_is_refused(file):
    for length in range(len(SMALL) - 63):
        with pytest.raises(ModelUnavailable):
            read_header(file(SMALL[:length]))


def test_random_damage_never_does_worse_than_a_refusal(file):
    draw = random.Random(3)
    for _ in range(300):
        data = bytearray(SMALL)
        for _ in range(draw.randint(1, 6)):
            data[draw.randrange(len(data))] = draw.randrange(256)
        with contextlib.suppress(ModelUnavailable):
            read_header(file(bytes(data)), arrays=True)


def test_the_packaged_model_is_found_without_running_its_package():
    header = read_header(packaged_model())
    assert (header.context_tokens, header.licence) == (8192, "apache-2.0")


def test_remote_models_exist_only_with_key_and_name():
    assert Models(Settings()).names() == ("local",)
    assert Models(replace(Settings(), openai_api_key="k", anthropic_model="m")).names() == ("local",)
    assert Models(replace(Settings(), **KEYS)).names() == ("local", "openai:gpt-x", "anthropic:claude-x")


def test_descriptions_load_nothing_and_show_no_keys():
    models = Models(replace(Settings(), **KEYS, model_context_tokens=100_000))
    local, *remote = models.describe()
    assert (local.name, local.local, local.licence, local.ready) == ("local", True, "apache-2.0", False)
    assert local.context == 8192
    assert Path(local.file) == packaged_model()
    assert [(each.name, each.local, each.ready) for each in remote] == [
        ("openai:gpt-x", False, True),
        ("anthropic:claude-x", False, True),
    ]
    assert "secret" not in repr(models.describe())


def test_a_remote_model_is_opened_once_and_says_that_it_is_remote():
    models = Models(replace(Settings(), **KEYS))
    generator = models.get("anthropic:claude-x")
    assert generator is models.get("anthropic:claude-x")
    assert (generator.name, generator.local, generator.context_tokens) == ("anthropic:claude-x", False, 200_000)
    models.close()
    with pytest.raises(ModelUnavailable, match="shut down"):
        models.get("anthropic:claude-x")


def test_a_name_that_is_none_lists_those_that_are():
    with pytest.raises(NoSuchModel, match=r"no model 'gpt-9'; there are: local"):
        Models(Settings()).get("gpt-9")


def test_a_missing_or_broken_file_is_one_clear_line(tmp_path, file):
    missing = Models(replace(Settings(), model_path=str(tmp_path / "none.gguf")))
    with pytest.raises(ModelUnavailable, match=r"no model file at .*none\.gguf; set model\.path"):
        missing.get()
    assert "none.gguf" in missing.describe()[0].problem
    missing.warm().join()
    broken = Models(replace(Settings(), model_path=str(file(b"not a model at all"))))
    with pytest.raises(ModelUnavailable, match="not a GGUF file"):
        broken.get()
