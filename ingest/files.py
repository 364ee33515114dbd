"""Durable file writing: a file is either absent or whole and on disk. Knows no blobs, no jobs and no SQL."""

import os
import secrets
from pathlib import Path
from typing import BinaryIO


class Files:
    """The disk operations that durability rests on, one method per system call that may fail.

    A test swaps in a part with the same methods that fails or dies at the Nth call.
    """

    def create(self, path: Path) -> BinaryIO:
        """A new file for writing; it must not exist yet."""
        return path.open("xb")

    def write(self, file: BinaryIO, data: bytes) -> None:
        file.write(data)

    def sync(self, file: BinaryIO) -> None:
        """Bytes written so far are on disk when this returns."""
        file.flush()
        os.fsync(file.fileno())

    def rename(self, source: Path, target: Path) -> None:
        """Atomic; replaces the target."""
        source.replace(target)

    def sync_folder(self, folder: Path) -> None:
        """Names created in or moved into the folder are on disk when this returns."""
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def make_folder(self, folder: Path) -> None:
        """Create the folder and its parents, each durably."""
        if folder.is_dir():
            return
        self.make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        self.sync_folder(folder.parent)

    def remove(self, path: Path) -> None:
        """Absent afterwards, whether or not it was there."""
        path.unlink(missing_ok=True)


def temporary_name(folder: Path) -> Path:
    """A name in `folder` that nobody else uses."""
    return folder / f"{secrets.token_hex(16)}.part"
