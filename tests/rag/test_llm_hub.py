"""Names of the hub: found in the cache, never fetched."""

from pathlib import Path

import pytest

from rag.errors import ModelUnavailable
from rag.llm import hub


def test_a_file_that_is_here_is_itself(tmp_path):
    file = tmp_path / "a.gguf"
    file.write_bytes(b"GGUF")
    assert hub.cached_hub_file(file) == file


@pytest.mark.parametrize("named", ["a.gguf", "/nowhere/at/all.gguf", "org/repo/file.bin", "../x/y.gguf"])
def test_what_is_neither_a_file_nor_a_name_of_the_hub(named):
    with pytest.raises(ModelUnavailable, match="there is no file"):
        hub.cached_hub_file(Path(named))


def test_a_name_that_is_not_cached_says_how_to_fetch_it(tmp_path):
    with pytest.raises(ModelUnavailable, match=r"nothing is downloaded; fetch it .*hf download org/none m\.gguf"):
        hub.cached_hub_file(Path("org/none/m.gguf"))
