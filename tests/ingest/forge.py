"""Processes that run `worker_driver` and cost no start-up: one process imports everything and forks the others.

`python -m tests.ingest.forge` reads one JSON list per line: a folder for the answers, then the driver's arguments.
Next to each child stands a keeper that waits for it and writes its exit code down.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parents[2]


class Running:
    """A child of the forge."""

    def __init__(self, answers: Path) -> None:
        self._answers = answers
        _wait_for(answers / "pid", 300.0)  # the first one waits for every import
        self.pid = int((answers / "pid").read_text())

    def wait(self, timeout: float = 300.0) -> int:
        """The exit code; minus the signal that ended it. Raises TimeoutError."""
        _wait_for(self._answers / "code", timeout)
        return int((self._answers / "code").read_text())

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)
        self.wait()


class Forge:
    """Starts drivers; ends those that still run when it is closed."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="forge-")
        self._count = 0
        environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
        command = [sys.executable, "-W", "error", "-m", "tests.ingest.forge"]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, env=environment)

    def start(self, *arguments: object) -> Running:
        self._count += 1
        answers = Path(self._folder.name) / str(self._count)
        answers.mkdir()
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([str(answers), *map(str, arguments)]).encode() + b"\n")
        self._process.stdin.flush()
        return Running(answers)

    def close(self) -> None:
        for child in psutil.Process(self._process.pid).children(recursive=True):
            child.kill()
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        self._folder.cleanup()


def _wait_for(path: Path, seconds: float) -> None:
    until = time.monotonic() + seconds
    while not path.exists():
        if time.monotonic() > until:
            raise TimeoutError(f"{path.name} did not come within {seconds} s")
        time.sleep(0.02)


def _serve() -> None:
    from tests.ingest import worker_driver

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # keepers need no burial
    for line in sys.stdin.buffer:
        answers, *arguments = json.loads(line)
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _keep(Path(answers), worker_driver, arguments)


def _keep(answers: Path, driver: Any, arguments: list[str]) -> None:
    pid = os.fork()
    if pid == 0:
        driver.main(arguments)
        sys.stdout.flush()
        sys.stderr.flush()
        # Without the forge's own cleanup, yet only after the driver's has run.
        os._exit(0)
    _write(answers / "pid", pid)
    _, status = os.waitpid(pid, 0)
    _write(answers / "code", os.waitstatus_to_exitcode(status))
    os._exit(0)


def _write(path: Path, number: int) -> None:
    part = path.with_suffix(".part")
    part.write_text(str(number))
    part.replace(path)


if __name__ == "__main__":
    _serve()
