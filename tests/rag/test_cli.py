"""The command line as a person meets it: its list of commands, and one clear line for whatever is wrong."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rag.cli.root import OWN_COMMANDS


def footnote(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "rag.cli", *words],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with one bare collection, for commands that load the embedding model: it is converted once."""
    folder = tmp_path_factory.mktemp("shared")
    assert footnote("--data", str(folder), "collections", "create", "bare").returncode == 0
    return folder


def only_line(done: subprocess.CompletedProcess[str]) -> str:
    """The one line on standard error of a command that failed."""
    assert done.returncode == 1, done
    assert done.stdout == ""
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("footnote: ")
    return lines[0]


@pytest.mark.parametrize("name", OWN_COMMANDS)
def test_the_list_of_commands_says_what_each_command_says_of_itself(name: str) -> None:
    module, said = OWN_COMMANDS[name]
    command = next(command for command in importlib.import_module(module).COMMANDS if command.name == name)
    assert (command.help or "").split("\n\n")[0].replace("\n", " ").startswith(said)


@pytest.mark.real
def test_help_lists_the_commands_of_the_rooms_above_too() -> None:
    done = footnote("--help")
    assert done.returncode == 0
    assert all(f"  {name} " in done.stdout for name in [*OWN_COMMANDS, "eval", "bench"])


@pytest.mark.real
def test_an_unknown_collection_is_one_line(tmp_path: Path) -> None:
    line = only_line(footnote("--data", str(tmp_path), "documents", "list", "--collection", "nowhere"))
    assert "nowhere" in line


@pytest.mark.real
def test_a_folder_without_files_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    line = only_line(
        footnote("--data", str(tmp_path / "data"), "ingest", str(tmp_path / "empty"), "--collection", "c", "--wait")
    )
    assert "holds no files" in line


@pytest.mark.real
def test_a_data_folder_that_is_a_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    line = only_line(footnote("--data", str(tmp_path / "file" / "data"), "collections", "list"))
    assert str(tmp_path / "file" / "data") in line


@pytest.mark.real
def test_a_misspelt_setting_is_one_line(tmp_path: Path) -> None:
    line = only_line(footnote("--data", str(tmp_path), "collections", "list", FOOTNOTE_SEVER_PORT="1"))
    assert "FOOTNOTE_SEVER_PORT" in line


@pytest.mark.real
def test_a_collection_without_documents_says_so(shared: Path) -> None:
    done = footnote("--data", str(shared), "ask", "What is it?", "--collection", "bare", "--json")
    answer = json.loads(done.stdout)
    assert answer["status"] == "abstained"
    assert "no documents yet" in answer["text"]


@pytest.mark.real
def test_a_missing_model_file_is_one_line(shared: Path) -> None:
    words = ("--data", str(shared), "ask", "What?", "--collection", "bare")
    assert "/nowhere/model.gguf" in only_line(footnote(*words, FOOTNOTE_MODEL_PATH="/nowhere/model.gguf"))


@pytest.mark.real
def test_doctor_says_what_it_found_as_json(tmp_path: Path) -> None:
    done = footnote("--data", str(tmp_path), "doctor", "--json")
    findings = {finding["what"]: finding for finding in json.loads(done.stdout)["findings"]}
    assert findings["local model"]["state"] == "ok"
    assert findings["llama.cpp build"]["state"] in ("ok", "warning")
