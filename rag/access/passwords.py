"""Passwords of people: the one room of argon2. Knows no person."""

import threading
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from rag.access.errors import WeakPassword

SHORTEST: Final = 12
LONGEST: Final = 200
_AT_ONCE: Final = 2  # each takes 64 MiB


class Passwords:
    """Hashes (argon2id) and checks passwords, a few at a time. `cost` of 1 is for tests."""

    def __init__(self, cost: int = 3) -> None:
        self._hasher = PasswordHasher(time_cost=cost) if cost > 1 else PasswordHasher(1, 1024, 1)
        self._places = threading.BoundedSemaphore(_AT_ONCE)
        self._nobody: str | None = None

    def hash(self, password: str) -> str:
        """The form that is stored. Raises WeakPassword."""
        if not SHORTEST <= len(password) <= LONGEST:
            raise WeakPassword(
                f"the password has {len(password)} characters, but {SHORTEST} to {LONGEST} were wanted; "
                "a sentence of several words is good"
            )
        with self._places:
            return self._hasher.hash(password)

    def fits(self, password: str, stored: str) -> bool:
        """Whether the password is the stored one. Without a stored one the answer takes as long, and is no."""
        if not stored:
            self._nobody = self._nobody or self.hash("nobody has this password")
        with self._places:
            try:
                return self._hasher.verify(stored or self._nobody or "", password[: LONGEST + 1]) and bool(stored)
            except (VerificationError, InvalidHashError):
                return False
