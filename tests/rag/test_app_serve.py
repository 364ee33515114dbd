"""Starting and ending: the data folder, the address, the lock, the workers. No model is loaded here."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rag.access.policy import COMMAND_LINE
from rag.app import check_data_folder, ingest_parts, open_access
from rag.errors import AddressInUse, DataFolderInUse, DataFolderUnusable, NotLoopback
from rag.serve import Workers, check_accounts, is_loopback, listening, owned, worker_command
from rag.settings import Settings


def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "localhost", "::1", "[::1]"])
def test_loopback_is_served(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.com", ""])
def test_other_addresses_are_not_loopback(host: str) -> None:
    assert not is_loopback(host)


def test_others_are_served_from_the_first_owner_on(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, server_host="0.0.0.0")
    with pytest.raises(NotLoopback, match="users create-owner") as refused:
        check_accounts(settings)
    assert "\n" not in str(refused.value)
    parts = ingest_parts(settings)
    open_access(settings, parts.database).people.create("olga", "owner", COMMAND_LINE, "correct horse battery")
    parts.close()
    check_accounts(settings)


def test_a_port_in_use_is_refused_and_a_free_one_found() -> None:
    with listening("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(AddressInUse, match=f"port {port}"), listening("127.0.0.1", port):
            pass
    with listening("127.0.0.1", port) as again, socket.create_connection(("127.0.0.1", port)):
        assert again.getsockname()[1] == port


def test_a_data_folder_that_cannot_be_written_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(DataFolderUnusable, match="cannot be written") as refused:
            check_data_folder(folder)
        assert "\n" not in str(refused.value)
    check_data_folder(tmp_path / "made" / "for" / "us")
    assert list((tmp_path / "made" / "for" / "us").iterdir()) == []


def test_two_servers_never_share_a_data_folder(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [
            *(sys.executable, "-c"),
            "import sys, time; from pathlib import Path; from rag.serve import owned\n"
            "with owned(Path(sys.argv[1])):\n    print('held', flush=True); time.sleep(60)",
            str(tmp_path),
        ],
        stdout=subprocess.PIPE,
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(DataFolderInUse, match=f"process {holder.pid}"), owned(tmp_path):
            pass
    finally:
        holder.kill()
        holder.wait()
        assert holder.stdout is not None
        holder.stdout.close()
    with owned(tmp_path):  # kill -9 leaves nothing behind
        pass


def test_parts_for_handing_in_need_no_model(tmp_path: Path) -> None:
    parts = ingest_parts(Settings(data=tmp_path))
    try:
        assert parts.catalog.collections() == ()
        assert parts.jobs.counts() == {}
    finally:
        parts.close()


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Callable[[str, int], Workers]]:
    made: list[Workers] = []

    def make(code: str, count: int) -> Workers:
        made.append(Workers([sys.executable, "-c", code, str(tmp_path)], count))
        made[-1].start()
        return made[-1]

    yield make
    for one in made:
        one.close()


SLEEP = "import time; time.sleep(60)"


def test_a_dead_worker_is_replaced(workers: Callable[[str, int], Workers]) -> None:
    some = workers(SLEEP, 2)
    until(lambda: len(some.pids) == 2)
    before = set(some.pids)
    os.kill(some.pids[0], signal.SIGKILL)
    until(lambda: len(some.pids) == 2 and set(some.pids) != before)


def test_a_worker_that_fails_at_once_is_started_ever_later(
    workers: Callable[[str, int], Workers], tmp_path: Path
) -> None:
    started = "import sys, pathlib, secrets; pathlib.Path(sys.argv[1], secrets.token_hex()).touch(); sys.exit(3)"
    workers(started, 1)
    until(lambda: len(list(tmp_path.iterdir())) >= 2)
    time.sleep(0.7)
    assert len(list(tmp_path.iterdir())) <= 3


def test_workers_are_asked_to_end_and_end(workers: Callable[[str, int], Workers], tmp_path: Path) -> None:
    polite = (
        "import pathlib, signal, sys, time\n"
        "def end(*_):\n    pathlib.Path(sys.argv[1], 'ended').touch(); sys.exit()\n"
        "signal.signal(signal.SIGTERM, end); pathlib.Path(sys.argv[1], 'began').touch(); time.sleep(60)"
    )
    some = workers(polite, 1)
    until(lambda: (tmp_path / "began").exists())
    some.close()
    assert (tmp_path / "ended").exists()
    assert some.pids == []
    some.close()


def test_a_worker_that_does_not_listen_is_killed(
    workers: Callable[[str, int], Workers], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rag.serve.WORKER_STOP_SECONDS", 0.3)
    deaf = "import pathlib, signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    some = workers(deaf + "pathlib.Path(sys.argv[1], 'began').touch(); time.sleep(60)", 1)
    until(lambda: (tmp_path / "began").exists())
    some.close()
    assert some.pids == []


def test_the_worker_command_names_the_folder_and_the_parent(tmp_path: Path) -> None:
    command = list(worker_command(Settings(data=tmp_path)))
    assert command[:3] == [sys.executable, "-m", "rag.cli"]
    assert command[3:] == ["--data", str(tmp_path), "worker", "--parent", str(os.getpid())]
