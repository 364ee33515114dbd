"""The measurement of generation, small: every scene runs over native code, and what is known is kept as it goes."""

import json

import pytest
from click.testing import CliRunner

from bench.generate import generate_command
from bench.sides import batched_bench
from rag.settings import Settings
from tests.rag.tiny_model import write_tiny_model


def test_the_batched_bench_of_llama_cpp_is_asked_for_the_same_shape(tmp_path):
    binary, told = tmp_path / "llama-batched-bench", tmp_path / "told"
    binary.write_text(f'#!/bin/sh\necho "$@" > {told}\necho loading\necho \'{{"pp": 200, "speed_tg": 61.5}}\'\n')
    binary.chmod(0o755)
    assert batched_bench(binary, tmp_path / "a.gguf", streams=8, prompt=200, tokens=64, threads=2) == 61.5
    words = told.read_text().split()
    given = dict(zip(words[::2], words[1::2], strict=True))
    assert (given["-c"], given["-npl"], given["-npp"], given["-ntg"], given["-t"]) == ("2112", "8", "200", "64", "2")


@pytest.mark.real
def test_every_scene_has_its_figures(tmp_path):
    model = write_tiny_model(tmp_path / "tiny.gguf", context=2048)
    output = tmp_path / "generate.json"
    options = ["--model", str(model), "--as-shipped", "--output", str(output), "--json"]
    settings = Settings(data=tmp_path / "data", model_threads=1)
    done = CliRunner().invoke(generate_command, options, obj=(settings,), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    kept = json.loads(output.read_text())
    # Only where the build uses AMX is there something to compare it with.
    assert set(kept["ratios"]) - {"seconds_to_first_word_600_optimized_against_no_amx"} == {
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
