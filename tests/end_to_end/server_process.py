"""A real server as a process of its own, for tests. Knows no route."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).parents[2]
START_SECONDS = 300.0  # the first start converts the embedding model
ENDED = ("done", "failed", "cancelled")


class ServerProcess:
    """`footnote serve` on a free port over `data`. `models` is where converted models are kept between servers."""

    def __init__(self, data: Path, models: Path, *, workers: int = 1, **environment: str) -> None:
        self.data = data
        data.mkdir(parents=True, exist_ok=True)
        if not (data / "models").exists():
            (data / "models").symlink_to(models, target_is_directory=True)
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            command("--data", str(data), "serve", "--port", "0", "--workers", str(workers)),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.http = httpx.Client(timeout=60)
        try:
            self.address = self._wait_for_address()
            self.http.base_url = self.address
            self._wait_until_ready()
        except BaseException:
            self.kill()
            raise

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as output:
            self.lines.extend(output)

    def _wait_for_address(self) -> str:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            found = next((line for line in list(self.lines) if line.startswith("Footnote is ready:")), None)
            if found is not None:
                return found.rsplit(" ", 1)[1].strip()
            assert self.process.poll() is None, "".join(self.lines)
            time.sleep(0.05)
        raise AssertionError("the server did not start:\n" + "".join(self.lines))

    def _wait_until_ready(self) -> None:
        end = time.monotonic() + START_SECONDS
        while self.http.get("/api/v1/health/ready").status_code != 200:
            assert time.monotonic() < end, "the server did not get ready:\n" + "".join(self.lines)
            time.sleep(0.05)

    def stop(self) -> int:
        """Ask it to end, and give the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self._ended()

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.send_signal(signal.SIGKILL)
        self._ended()

    def _ended(self) -> int:
        code = self.process.wait(60)
        self._reader.join(30)
        self.http.close()
        return code

    def upload(self, collection: str, name: str, data: bytes) -> dict[str, Any]:
        """The job of one uploaded file."""
        answer = self.http.post(f"/api/v1/collections/{collection}/documents", params={"name": name}, content=data)
        assert answer.status_code == 202, answer.text
        job: dict[str, Any] = answer.json()["job"]
        return job

    def jobs(self, collection: str) -> Iterator[dict[str, Any]]:
        """Every job of a collection."""
        query = {"collection": collection, "limit": "200"}
        while True:
            page = self.http.get("/api/v1/jobs", params=query).json()
            yield from page["items"]
            if page["next"] is None:
                return
            query["cursor"] = page["next"]

    def wait_for_jobs(self, collection: str, seconds: float = 240.0) -> Mapping[str, dict[str, Any]]:
        """The jobs of a collection by name once all have ended."""
        end = time.monotonic() + seconds
        while True:
            jobs = list(self.jobs(collection))
            if all(job["state"] in ENDED for job in jobs):
                return {job["name"]: job for job in jobs}
            assert time.monotonic() < end, f"jobs did not end: {jobs}\n{''.join(self.lines)}"
            time.sleep(0.2)


def command(*arguments: str) -> list[str]:
    """The command line of this checkout."""
    return [sys.executable, "-m", "rag.cli", *arguments]


def one_line_failure(*arguments: str) -> str:
    """Run a command that must fail with exit code 1, and give the one line it says."""
    ended = subprocess.run(command(*arguments), cwd=ROOT, capture_output=True, text=True, timeout=120)
    lines = [line for line in ended.stderr.splitlines() if line]
    assert (ended.returncode, len(lines), ended.stdout) == (1, 1, ""), ended
    return lines[0]
