"""The measurement of whole servers, small: both run, every scene has its figures, and larger ratios are better."""

import json

import pytest
from click.testing import CliRunner

from bench.serve import ratios, serve_command
from rag.settings import Settings
from tests.rag.tiny_model import write_tiny_model


def test_ratios_are_larger_where_we_are_better():
    known = {
        "answers_per_second_4_askers_ours": 4.0,
        "answers_per_second_4_askers_peer": 2.0,
        "seconds_to_first_word_4_askers_ours": 0.5,
        "seconds_to_first_word_4_askers_peer": 2.0,
        "seconds_to_first_word_4_askers_optimized": 0.25,
        "seconds_to_first_word_4_askers_native": 0.75,
        "kb_per_idle_stream_ours": 15.0,
    }
    assert ratios(known) == {
        "answers_per_second_4_askers": 2.0,
        "seconds_to_first_word_4_askers": 4.0,
        "seconds_to_first_word_4_askers_optimized": 8.0,
        "seconds_to_first_word_4_askers_against_native": 1.5,
        "seconds_to_first_word_4_askers_optimized_against_native": 3.0,
        "kb_per_idle_stream_as_wanted": 2.0,
    }


@pytest.mark.real
def test_both_servers_are_measured(tmp_path):
    model = write_tiny_model(tmp_path / "tiny.gguf", context=2048)
    output = tmp_path / "serve.json"
    options = ["--model", str(model), "--askers", "1", "--askers", "2", "--tokens", "4", "--idle", "20"]
    settings = Settings(data=tmp_path / "data", model_threads=1)
    told = [*options, "--minutes", "30", "--output", str(output), "--json"]
    done = CliRunner().invoke(serve_command, told, obj=(settings,), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    kept = json.loads(output.read_text())
    for askers in (1, 2):
        assert {f"answers_per_second_{askers}_askers", f"seconds_to_first_word_{askers}_askers"} <= set(kept["ratios"])
    wanted = {"kb_per_idle_stream_ours", "seconds_to_first_word_1000_beside_another_peer", "seconds_taken"}
    assert wanted <= set(kept["figures"]), done.output
