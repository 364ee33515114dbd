"""Random credentials and their keyed hashes. The one secret lies in a file of the data folder, or in a setting.

Knows no table. What is stored is HMAC-SHA256 under that secret: random 256-bit values need no slow hash, and a copy of
the database alone is worth nothing.
"""

import hashlib
import hmac
import os
import secrets
import zlib
from pathlib import Path
from typing import Final

from rag.access.errors import NotSignedIn
from rag.errors import DataFolderUnusable, SettingsError

FILE_NAME: Final = "access.secret"
KEY_PREFIX: Final = "fn_"
_BYTES: Final = 32
_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SECRET_LETTERS: Final = 43  # 62**43 > 2**256
_SHORTEST_SETTING: Final = 32


class Seal:
    """Keyed hashes of credentials; `purpose` keeps those of different kinds apart."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def seal(self, purpose: str, value: str) -> str:
        """64 hexadecimal digits."""
        return hmac.new(self._secret, f"{purpose}\0{value}".encode(), hashlib.sha256).hexdigest()

    def fits(self, purpose: str, value: str, sealed: str | None) -> bool:
        """Whether `sealed` is of `value`, in constant time."""
        return sealed is not None and hmac.compare_digest(self.seal(purpose, value), sealed)

    def key(self, purpose: str) -> bytes:
        """32 bytes to encrypt with, for this purpose alone."""
        return hmac.new(self._secret, f"key\0{purpose}".encode(), hashlib.sha256).digest()


def open_seal(folder: Path, setting: str = "") -> Seal:
    """The seal of a data folder; its secret is made on the first use. Raises DataFolderUnusable, SettingsError."""
    if setting:
        if len(setting) < _SHORTEST_SETTING:
            raise SettingsError(
                f"access.secret has {len(setting)} characters, but at least {_SHORTEST_SETTING} random ones were wanted"
            )
        return Seal(setting.encode())
    path = folder / FILE_NAME
    try:
        if not path.exists():
            _make(path)
        found = path.read_bytes()
    except OSError as error:
        raise DataFolderUnusable(
            f"the file {path} cannot be read or made ({error.strerror}); mend its permissions, credentials need it"
        ) from error
    if len(found) != _BYTES:
        raise DataFolderUnusable(f"the file {path} has {len(found)} bytes, but {_BYTES} were wanted; restore it")
    return Seal(found)


def new_token() -> str:
    """A session's random token."""
    return secrets.token_urlsafe(_BYTES)


def new_key(id: str) -> str:
    """A new API key for a row: `fn_<id>_<43 letters>_<checksum>`; scanners find it, typing errors cost no look-up."""
    body = f"{KEY_PREFIX}{id}_{''.join(secrets.choice(_ALPHABET) for _ in range(_SECRET_LETTERS))}"
    return f"{body}_{_checksum(body)}"


def key_id(raw: str) -> str:
    """The id inside an API key. Raises NotSignedIn for what cannot be one."""
    body, _, checksum = raw.rpartition("_")
    found, _, secret = body.removeprefix(KEY_PREFIX).partition("_")
    whole = raw.isascii() and raw.startswith(KEY_PREFIX) and len(secret) == _SECRET_LETTERS
    if not whole or checksum != _checksum(body):
        raise NotSignedIn("the bearer token is no API key of this service; send the key as it was shown when made")
    return found


def _checksum(body: str) -> str:
    return f"{zlib.crc32(body.encode()):08x}"


def _make(path: Path) -> None:
    """Write a fresh secret so that no reader ever sees half of it, and the first of two writers wins."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, secrets.token_bytes(_BYTES))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
