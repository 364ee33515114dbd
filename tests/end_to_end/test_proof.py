"""Proof, erasure, backup and restore with a real server running beside the commands."""

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.server_process import ROOT, ServerProcess, command

pytestmark = pytest.mark.real

SECRET = "The launch codeword of the heron lamp is xylophone marmalade."
KEPT = "# Router guide\n\nThe reset link of the router is valid for 30 minutes.\n"


def footnote(*words: str, code: int = 0) -> Any:
    done = subprocess.run(command(*words, "--json"), cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == code, done
    return json.loads(done.stdout)


def bad(proof: Any) -> list[str]:
    return [finding["what"] for finding in proof["findings"] if not finding["ok"]]


def test_a_deletion_is_proven_and_a_backup_is_taken_while_serving(tmp_path: Path) -> None:
    models, data = tmp_path / "models", str(tmp_path / "data")
    models.mkdir()
    server = ServerProcess(tmp_path / "data", models)
    try:
        server.http.post("/api/v1/collections", json={"name": "guides"}).raise_for_status()
        server.upload("guides", "router.md", KEPT.encode())
        server.upload("guides", "secret.md", f"# Secret\n\n{SECRET}\n".encode())
        jobs = server.wait_for_jobs("guides")
        question = {
            "question": "What is the launch codeword of the heron lamp?",
            "collection": "guides",
            "mode": "quote",
        }
        answer = server.http.post("/api/v1/ask", json=question).json()
        assert "xylophone" in answer["text"]
        before = footnote("--data", data, "backup", str(tmp_path / "before"))
        assert before["documents"] == 2

        secret = jobs["secret.md"]["document"]
        server.http.delete(f"/api/v1/documents/{secret}").raise_for_status()
        proof = footnote("--data", data, "verify", "--deleted", secret, "--phrase", "xylophone", code=1)
        assert {"stored answers", "the phrase in any file"} <= set(bad(proof))
        proof = footnote("--data", data, "verify", "--deleted", secret, "--phrase", "xylophone", "--repair")
        assert bad(proof) == []
        found = server.http.post("/api/v1/search", json={"question": "reset link", "collection": "guides"}).json()
        assert [passage["name"] for passage in found["passages"]] == ["router.md"]
        shown = server.http.get(f"/api/v1/answers/{answer['answer']}")
        assert "xylophone" not in shown.text
    finally:
        assert server.stop() == 0, "".join(server.lines)

    (tmp_path / "again").mkdir()
    (tmp_path / "again" / "models").symlink_to(models, target_is_directory=True)
    again = str(tmp_path / "again")
    assert footnote("--data", again, "restore", str(tmp_path / "before"))["documents"] == 2
    assert footnote("--data", again, "verify")["ok"]


def test_a_running_service_erases_what_was_deleted_by_itself(tmp_path: Path) -> None:
    """No repair: the views are made anew beside questions, and the pages of the database are overwritten."""
    models, data = tmp_path / "models", tmp_path / "data"
    models.mkdir()
    server = ServerProcess(data, models, FOOTNOTE_INDEX_ERASE_SECONDS="1")
    try:
        server.http.post("/api/v1/collections", json={"name": "guides"}).raise_for_status()
        for number in range(30):
            server.upload("guides", f"{number}.md", f"# Guide {number}\n\n{KEPT} Number {number}.\n".encode())
        server.upload("guides", "secret.md", f"# Secret\n\n{SECRET}\n".encode())
        jobs = server.wait_for_jobs("guides")
        for original in (data / "blobs").glob("??/*"):
            os.utime(original, times=(0, 0))  # an hour is over: young originals are left to a later sweep
        secret = jobs["secret.md"]["document"]
        server.http.delete(f"/api/v1/documents/{secret}").raise_for_status()

        proof = ("--data", str(data), "verify", "--deleted", secret, "--phrase", "xylophone")
        end = time.monotonic() + 120
        while (code := proven(*proof)) and time.monotonic() < end:
            time.sleep(0.5)
        assert (code, bad(footnote(*proof))) == (0, [])
        question = {"question": "reset link", "collection": "guides", "k": 40}
        found = server.http.post("/api/v1/search", json=question).json()
        assert len(found["passages"]) == 30
        assert footnote("--data", str(data), "verify")["ok"]
    finally:
        assert server.stop() == 0, "".join(server.lines)


def proven(*words: str) -> int:
    return subprocess.run(command(*words), cwd=ROOT, capture_output=True, timeout=300).returncode
