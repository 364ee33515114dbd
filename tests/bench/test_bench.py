"""The frame around measurements: where commands are found, what is recorded."""

import json
from pathlib import Path

from click.testing import CliRunner

from bench.cli import bench_group
from bench.ingest import default_folder, gather
from bench.record import record
from tests.fakes import HashEmbedder


def test_help_lists_the_measurements() -> None:
    done = CliRunner().invoke(bench_group, ["--help"])
    assert done.exit_code == 0
    assert "ingest" in done.output
    assert CliRunner().invoke(bench_group, ["nothing"]).exit_code == 2


def test_a_record_keeps_the_keys_of_the_contract(tmp_path: Path) -> None:
    given = record({"ours_vs_theirs": 4.56789}, {"chunks": 3, "chunks_per_s": 1.5}, ("numpy",), tmp_path / "x.json")
    kept = json.loads((tmp_path / "x.json").read_text())
    assert kept == given
    assert kept["ratios"] == {"ours_vs_theirs": 4.568}
    assert kept["figures"] == {"chunks": 3, "chunks_per_s": 1.5}
    assert {"processor", "cores", "memory_gib"} <= set(kept["machine"])
    assert {"python", "footnote", "numpy"} <= set(kept["versions"])


def test_work_is_gathered_from_real_files_until_there_is_enough(tmp_path: Path) -> None:
    for i in range(6):
        (tmp_path / f"{i}.md").write_text(f"# Title {i}\n\nThe hub number {i} sends readings.\n")
    (tmp_path / "empty.md").write_text("")
    work = gather(tmp_path, HashEmbedder(), 4)
    assert len(work.texts) == len(set(work.texts)) >= 4
    assert work.tokens > 0
    assert set(work.files) < {f"{i}.md" for i in range(6)}


def test_the_samples_are_the_default() -> None:
    assert default_folder().is_dir()
