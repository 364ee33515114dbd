"""Settings: every source, its precedence, and the generated page."""

from pathlib import Path

import pytest

from rag.errors import SettingsError
from rag.settings import load_settings
from rag.settings_page import settings_page, settings_table


def test_command_line_goes_before_environment_before_file_before_default(tmp_path: Path) -> None:
    (tmp_path / "footnote.toml").write_text("[server]\nport = 1\nworkers = 2\n[answer]\npassages = 3\n")
    environment = {"FOOTNOTE_DATA": str(tmp_path), "FOOTNOTE_SERVER_PORT": "4", "FOOTNOTE_SERVER_WORKERS": "5"}
    settings, origin = load_settings({"server_port": 6}, environment)
    assert (settings.server_port, settings.server_workers, settings.answer_passages) == (6, 5, 3)
    assert (origin["server_port"], origin["server_workers"]) == ("command line", "environment")
    assert (origin["answer_passages"], origin["model_queue"]) == ("footnote.toml", "default")


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"FOOTNOTE_SERVER_PORT": "http"}, "server.port is 'http' (environment), but int was wanted"),
        ({"FOOTNOTE_SERVER_PORT": "-1"}, "server.port is -1 (environment), but it cannot be negative"),
        ({"FOOTNOTE_EMBEDDER_BACKEND": "gpu"}, "but one of auto, openvino, sentence-transformers was wanted"),
        ({"FOOTNOTE_SEVER_PORT": "1"}, "the environment sets FOOTNOTE_SEVER_PORT, which is no setting"),
    ],
)
def test_bad_values_are_named_with_their_source(tmp_path: Path, environment: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({"data": tmp_path}, environment)
    assert said in str(caught.value)


def test_an_unknown_setting_in_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "footnote.toml").write_text("[server]\nprot = 1\n")
    with pytest.raises(SettingsError, match=r"footnote\.toml sets 'server\.prot'"):
        load_settings({"data": tmp_path}, {})


def test_the_settings_page_is_what_the_table_says() -> None:
    page = Path(__file__).parents[2] / "docs" / "settings.md"
    assert page.read_text(encoding="utf-8") == settings_page(), "run: footnote settings --markdown > docs/settings.md"


def test_every_setting_has_help() -> None:
    assert all(row[4].endswith(".") for row in settings_table())
