"""An environment of its own for each peer, used again where it is there. Knows no measure."""

import subprocess
import venv
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from rich.console import Console

_messages = Console(stderr=True, highlight=False)


def installed(folder: Path, packages: Sequence[str], same: Sequence[str]) -> Path:
    """The Python of an environment that has these packages, and the same versions as ours of those in `same`."""
    python = folder / "bin" / "python"
    if not (folder / "installed").exists():
        _messages.print(f"installing {', '.join(packages)} into {folder}")
        venv.create(folder, with_pip=True, clear=True)
        # A local version, as in 2.13.0+cpu, cannot be asked for everywhere; its public part can.
        pinned = [f"{name}=={metadata.version(name).partition('+')[0]}" for name in same]
        options = ("--quiet", "--disable-pip-version-check", "--no-compile")
        subprocess.run([str(python), "-m", "pip", "install", *options, *pinned, *packages], check=True)
        (folder / "installed").touch()
    return python


def version(python: Path, package: str) -> str:
    """Of a distribution in an environment."""
    program = f"import importlib.metadata as m; print(m.version({package!r}))"
    return subprocess.run([str(python), "-c", program], stdout=subprocess.PIPE, check=True, text=True).stdout.strip()
