"""The measurement of generation, small: every scene runs over native code, and what is known is kept as it goes."""

import json

import pytest
from click.testing import CliRunner

from bench.generate import generate_command
from rag.settings import Settings
from tests.rag.tiny_model import write_tiny_model


@pytest.mark.real
def test_every_scene_has_its_figures(tmp_path):
    model = write_tiny_model(tmp_path / "tiny.gguf", context=2048)
    output = tmp_path / "generate.json"
    options = ["--model", str(model), "--as-shipped", "--output", str(output), "--json"]
    settings = Settings(data=tmp_path / "data", model_threads=1)
    done = CliRunner().invoke(generate_command, options, obj=(settings,), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    kept = json.loads(output.read_text())
    assert set(kept["ratios"]) == {
        "seconds_to_first_word_600",
        "seconds_to_first_word_follow_up",
        "seconds_to_first_word_follow_up_against_whole",
        "tokens_per_second_1_stream",
        "tokens_per_second_8_streams_against_bare",
        "answers_per_second_8_askers",
        "answers_per_second_8_askers_600",
        "answers_per_second_8_askers_600_same_evidence",
        "seconds_between_tokens_beside_1000_p95_as_wanted",
        "python_share_of_decoding_1_stream_as_wanted",
        "python_share_of_decoding_8_streams_as_wanted",
    }
    assert kept["wanted"]["answers_per_second_8_askers"] == 5.0
    shares = {"python_share_of_decoding_1_stream", "python_share_of_decoding_8_streams"}
    assert shares | {"seconds_between_tokens_beside_1000_p95", "seconds_taken"} <= set(kept["figures"])
    assert all(value > 0 for value in kept["ratios"].values())
