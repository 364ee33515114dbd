"""The parsing child: limits, crashes, orphans. Real processes; nothing is patched."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from ingest.errors import BrokenDocument, EmptyFile, ParserLimit
from ingest.parse import parse
from ingest.parse.limits import ParseLimits
from ingest.parse.sandbox import Sandbox

pytestmark = pytest.mark.real
ROOT = Path(__file__).parents[2]


def children() -> set[int]:
    return {
        child.pid
        for child in psutil.Process().children()
        if child.status() != psutil.STATUS_ZOMBIE and "ingest.parse.child" in " ".join(child.cmdline())
    }


def slow_file(tmp_path: Path) -> Path:
    """Minutes of parsing."""
    path = tmp_path / "slow.rst"
    path.write_text("\n\n".join(f"Title {n}\n=======\n\n*some* ``text`` :ref:`x` here" for n in range(200_000)))
    return path


def wait_until_gone(pids: set[int], seconds: float = 60.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not any(psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE for pid in pids):
            return True
        time.sleep(0.05)
    return False


def test_the_child_gives_what_the_parser_gives(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_text("---\ntitle: T\n---\n# A\n\ntext\n\n| a | b |\n|---|---|\n| 1 | 2 |\n")
    with Sandbox() as sandbox:
        here, there = parse(path, "a.md"), sandbox.parse(path, "a.md")
    assert there.blocks == here.blocks
    assert (there.text, there.title, there.metadata) == (here.text, here.title, here.metadata)


def test_a_warm_child_is_used_again_and_errors_keep_their_class(tmp_path: Path) -> None:
    good, empty = tmp_path / "a.txt", tmp_path / "b.txt"
    good.write_text("words")
    empty.write_text("")
    before = children()
    with Sandbox() as sandbox:
        sandbox.parse(good, "a.txt")
        first = children() - before
        with pytest.raises(EmptyFile, match="0 bytes"):
            sandbox.parse(empty, "b.txt")
        with pytest.raises(OSError, match="No such file"):
            sandbox.parse(tmp_path / "missing", "c.txt")
        sandbox.parse(good, "a.txt")
        assert children() - before == first
        assert len(first) == 1
    assert wait_until_gone(first)


def test_a_file_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    path, good = slow_file(tmp_path), tmp_path / "a.txt"
    good.write_text("words")
    with Sandbox() as sandbox:
        sandbox.parse(good, "a.txt")
        started = time.monotonic()
        with pytest.raises(ParserLimit, match="longer than the 1 seconds"):
            sandbox.parse(path, "slow.rst", ParseLimits(seconds=1.0))
        assert time.monotonic() - started < 10
        assert sandbox.parse(good, "a.txt").text == "words"


def test_a_file_that_takes_too_much_memory_is_given_up(tmp_path: Path) -> None:
    path = tmp_path / "big.json"
    path.write_text("[" + ",".join(["[1,2,3,4]"] * 6_000_000) + "]")
    with Sandbox() as sandbox, pytest.raises(ParserLimit, match="MiB of memory"):
        sandbox.parse(path, "big.json", ParseLimits(seconds=120, memory_bytes=700 * 1024**2))


def test_a_crash_of_the_child_is_a_reason_and_the_parent_goes_on(tmp_path: Path) -> None:
    path, good = slow_file(tmp_path), tmp_path / "a.txt"
    good.write_text("words")
    before = children()
    with Sandbox() as sandbox:
        sandbox.parse(good, "a.txt")
        (child,) = children() - before
        threading.Timer(0.5, os.kill, (child, signal.SIGSEGV)).start()
        with pytest.raises(BrokenDocument, match="crashed on the file \\(SIGSEGV\\)"):
            sandbox.parse(path, "slow.rst")
        sandbox.parse(good, "a.txt")
        (child,) = children() - before
        os.kill(child, signal.SIGKILL)  # while idle
        assert wait_until_gone({child})
        assert sandbox.parse(good, "a.txt").text == "words"


def test_several_threads_parse_at_once(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.md" for number in range(12)]
    for number, path in enumerate(paths):
        path.write_text(f"# Title {number}\n\ntext\n")
    titles: dict[int, str] = {}
    with Sandbox() as sandbox:

        def work(start: int) -> None:
            for number in range(start, len(paths), 3):
                titles[number] = sandbox.parse(paths[number], paths[number].name).title

        threads = [threading.Thread(target=work, args=(start,)) for start in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert titles == {number: f"Title {number}" for number in range(12)}


def test_no_orphan_and_no_secret(tmp_path: Path) -> None:
    path = slow_file(tmp_path)
    code = (
        "import sys, threading; from pathlib import Path; from ingest.parse.sandbox import Sandbox\n"
        "sandbox = Sandbox(); sandbox.warm()\n"
        f"threading.Thread(target=sandbox.parse, args=(Path({str(path)!r}), 'slow.rst'), daemon=True).start()\n"
        "import psutil; print(*[c.pid for c in psutil.Process().children()], flush=True); sys.stdin.read()"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT), "FOOTNOTE_OPENAI_API_KEY": "very-secret"}
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    ) as parent:
        assert parent.stdout is not None
        pids = {int(word) for word in parent.stdout.readline().split()}
        assert pids
        time.sleep(1.0)
        for pid in pids:
            assert b"very-secret" not in Path(f"/proc/{pid}/environ").read_bytes()
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        assert wait_until_gone(pids, 8.0)


def test_a_child_is_not_worn_by_what_its_parent_holds(tmp_path: Path) -> None:
    good = tmp_path / "a.txt"
    good.write_text("words")
    before, held = children(), bytearray(os.urandom(1024**2) * 600)
    with Sandbox() as sandbox:
        sandbox.parse(good, "a.txt")
        first = children() - before
        sandbox.parse(good, "a.txt")
        assert children() - before == first
        assert len(first) == 1
    assert len(held) == 600 * 1024**2
