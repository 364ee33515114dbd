"""The registry of model files: versions, promotion, rolling back, aliases, and damage. Nothing is loaded."""

import json
import threading
from dataclasses import replace

import pytest

from rag.errors import BadRequest, ModelUnavailable, NoSuchModel
from rag.llm.registry import SHELF_FOLDER, Models
from rag.llm.shelf import Shelf, sha256_of
from rag.settings import Settings
from tests.rag.tiny_model import write_tiny_model


@pytest.fixture
def shelf(tmp_path):
    return Shelf(tmp_path / SHELF_FOLDER)


@pytest.fixture
def file(tmp_path):
    return write_tiny_model(tmp_path / "tiny.gguf")


def test_a_shelf_that_was_never_written_is_empty_and_makes_no_folder(shelf):
    assert shelf.read().models == {}
    assert not shelf.folder.exists()


def test_versions_are_promoted_and_rolled_back(shelf, file, tmp_path):
    first = shelf.put("tiny", file, "added", promote=False)
    second = shelf.put("tiny", write_tiny_model(tmp_path / "b.gguf", seed=2), "added", promote=False)
    assert (first.version, second.version, shelf.read().entry("tiny").current.version) == (1, 2, 1)
    assert (first.sha256, first.licence, first.quantisation, first.context) == (sha256_of(file), "mit", "F32", 512)
    assert shelf.promote("tiny", 2).current.version == 2
    assert shelf.promote("tiny", 2).promoted == (1, 2), "promoting what speaks changes nothing"
    assert shelf.roll_back("tiny").current.version == 1
    with pytest.raises(BadRequest, match="version 1 of tiny speaks and none did before"):
        shelf.roll_back("tiny")
    with pytest.raises(NoSuchModel, match="no version 9; there are: 1, 2"):
        shelf.promote("tiny", 9)


def test_the_same_file_again_is_the_same_version(shelf, file):
    assert [shelf.put("tiny", file, "added", promote=False).version for _ in range(2)] == [1, 1]


def test_removing_deletes_files_of_ours_only(shelf, file):
    shelf.put("tiny", file, "added", promote=True)
    inside = write_tiny_model(shelf.folder / "b.gguf", seed=2)
    shelf.put("tiny", inside, "optimized", promote=True)
    with pytest.raises(BadRequest, match="version 2 of tiny speaks now"):
        shelf.remove("tiny", 2)
    shelf.alias("quick", "tiny")
    assert shelf.remove("tiny") == (str(inside),)
    assert file.exists()
    assert not inside.exists()
    assert shelf.read().aliases == {}
    with pytest.raises(NoSuchModel, match="footnote models list"):
        shelf.remove("tiny")


@pytest.mark.parametrize("name", ["", "Big", "a:b", "../x", "x" * 65])
def test_names_that_cannot_be(shelf, file, name):
    with pytest.raises(BadRequest, match="use a-z"):
        shelf.put(name, file, "added", promote=True)


def test_a_name_means_one_thing(shelf, file):
    shelf.put("tiny", file, "added", promote=True)
    shelf.alias("quick", "tiny")
    with pytest.raises(BadRequest, match="alias of tiny"):
        shelf.put("quick", file, "added", promote=True)
    with pytest.raises(BadRequest, match="the name of a model"):
        shelf.alias("tiny", "local")
    with pytest.raises(NoSuchModel):
        shelf.alias("other", "nothing")


def test_a_damaged_registry_is_one_line(shelf, file):
    shelf.put("tiny", file, "added", promote=True)
    path = shelf.folder / "registry.json"
    for text in ("{", "[]", json.dumps({"models": [{"name": "x"}], "aliases": {}})):
        path.write_text(text)
        with pytest.raises(ModelUnavailable, match=r"registry\.json is damaged"):
            shelf.read()


def test_many_writers_at_once_lose_nothing(shelf, file):
    threads = [threading.Thread(target=lambda n=n: shelf.put(f"m{n}", file, "added", promote=True)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(shelf.read().models) == 12


def settings(tmp_path, **changes):
    return replace(Settings(), data=tmp_path, **changes)


def test_models_on_the_shelf_can_be_chosen_and_are_described(tmp_path, shelf, file):
    shelf.put("tiny", file, "added", promote=True)
    shelf.alias("quick", "tiny")
    models = Models(settings(tmp_path))
    assert models.names() == ("local", "tiny")
    described = models.describe()[1]
    assert (described.version, described.quantisation, described.aliases) == (1, "F32", ("quick",))
    assert models.file("tiny") == file


def test_an_allow_list_leaves_the_default_and_what_is_named(tmp_path, shelf, file):
    shelf.put("tiny", file, "added", promote=True)
    shelf.put("other", file, "added", promote=True)
    models = Models(settings(tmp_path, model_allowed=("tiny",)))
    assert models.names() == ("local", "tiny")
    with pytest.raises(NoSuchModel, match="no model 'other'; there are: local, tiny"):
        models.get("other")


def test_what_was_made_of_another_file_does_not_speak_for_this_one(tmp_path, shelf, file):
    shipped = shelf.put("local", file, "shipped", promote=False)
    made = write_tiny_model(shelf.folder / "made.gguf", seed=3)
    shelf.put("local", made, "optimized", promote=True, base=shipped.sha256)
    assert Models(settings(tmp_path, model_path=str(file))).file("local") == made
    other = write_tiny_model(tmp_path / "other.gguf", seed=4)
    assert Models(settings(tmp_path, model_path=str(other))).file("local") == other
    made.write_bytes(b"torn")
    assert Models(settings(tmp_path, model_path=str(file))).file("local") == file


def test_a_registered_file_that_has_changed_is_refused(tmp_path, shelf, file):
    shelf.put("tiny", file, "added", promote=True)
    file.write_bytes(file.read_bytes() + b"\0" * 64)
    models = Models(settings(tmp_path))
    with pytest.raises(ModelUnavailable, match="version 1 of model tiny is not what was registered"):
        models.get("tiny")
    assert "not what was registered" in models.describe()[1].problem
