"""Threads and priorities: settings decide, cores where they say nothing, and each kind of work has its place."""

import os
import subprocess
import sys

from click.testing import CliRunner

from rag.cli.housekeeping import doctor
from rag.processors import (
    BATCH_NICE,
    OPTIMIZE_NICE,
    WORKER_NICE,
    let_waiting_threads_sleep,
    physical_cores,
    shares,
    usable_cores,
)
from rag.settings import Settings


def test_settings_decide_and_else_the_cores():
    assert shares(Settings()).embedder == usable_cores()
    assert shares(Settings()).model == physical_cores() <= usable_cores()
    told = shares(Settings(embedder_threads=3, model_threads=1))
    assert (told.embedder, told.model) == (3, 1)


def test_what_nobody_waits_for_steps_back_farther():
    steps = [share.nice for share in shares(Settings()).listing()]
    assert steps == sorted(steps)
    assert 0 < WORKER_NICE < BATCH_NICE < OPTIMIZE_NICE <= 19
    assert all(share.threads >= 1 for share in shares(Settings()).listing())


def test_doctor_tells_the_shares(tmp_path):
    told = CliRunner().invoke(doctor, ["--json"], obj=(Settings(data=tmp_path, model_threads=7), {}))
    assert "7 threads: one per physical core" in told.output
    assert f"steps back by {WORKER_NICE}" in told.output


def test_what_is_set_already_stays():
    environment = {"GOMP_SPINCOUNT": "5"}
    let_waiting_threads_sleep(environment)
    assert environment == {"GOMP_SPINCOUNT": "5"}


def test_a_process_that_steps_back_does():
    program = "import os; from rag.processors import step_back; step_back(1); print(os.nice(0))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(done.stdout) == min(19, os.nice(0) + 1)
