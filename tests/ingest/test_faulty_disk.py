"""Every write, sync and rename of a file's whole way fails once, with the disk full or broken: nothing is lost or torn.

`LD_PRELOAD=... python -m tests.ingest.faulty_disk FOLDER 1` tries every call; here some of them, spread over the way.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.ingest.faulty_disk import compiled

pytestmark = pytest.mark.real
ROOT = Path(__file__).parents[2]
STRIDE = 13


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler to make the faulty disk with")
def test_a_disk_that_refuses_any_call_costs_an_attempt_and_no_document(tmp_path: Path) -> None:
    preload = {**os.environ, "LD_PRELOAD": str(compiled(tmp_path)), "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tests.ingest.faulty_disk", str(tmp_path / "data"), str(STRIDE)]
    done = subprocess.run(command, cwd=ROOT, env=preload, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    found = json.loads(done.stdout)
    assert found["wrong"] == []
    assert found["calls"] > 60  # blobs, rows and snapshots
    assert found["tried"] >= 10
