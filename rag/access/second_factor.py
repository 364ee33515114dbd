"""One-time codes (TOTP, RFC 6238) as a second factor, with recovery codes. Knows no password, no page and no HTTP.

A code is good once, and for half a minute around its own; who lost the device has ten recovery codes, each good once.
"""

import base64
import secrets
import time
from dataclasses import dataclass
from typing import Final

import pyotp
from cryptography.fernet import Fernet, InvalidToken
from sqlalchemy import delete

from index.database import Database
from index.schema import utc_now
from rag.access.audit import Audit
from rag.access.errors import BadAccess, CodeWanted
from rag.access.people import person_row
from rag.access.policy import Actor
from rag.access.schema import SecondFactor
from rag.access.secret import Seal

RECOVERY_CODES: Final = 10
_PURPOSE: Final = "second-factor"
_STEP: Final = 30  # seconds
_ALPHABET: Final = "abcdefghjkmnpqrstuvwxyz23456789"  # nothing that looks like something else


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What an authenticator is told: the secret, and the same as an address for a QR code."""

    secret: str
    address: str


class SecondFactors:
    """The second factors of people. Safe to use from many threads."""

    def __init__(self, database: Database, audit: Audit, seal: Seal) -> None:
        self._database = database
        self._audit = audit
        self._seal = seal
        self._cipher = Fernet(base64.urlsafe_b64encode(seal.key(_PURPOSE)))

    def on(self, person: str) -> bool:
        """Whether a person (id) signs in with codes. Raises NoSuchPerson."""
        with self._database.read() as session:
            row = session.get(SecondFactor, person_row(session, person).key)
            return row is not None and row.confirmed_at is not None

    def begin(self, person: str, name: str) -> Enrolment:
        """A fresh secret, which counts once `confirm` has seen a code of it. Raises NoSuchPerson, BadAccess."""
        secret = pyotp.random_base32()
        with self._database.write() as session:
            key = person_row(session, person).key
            row = session.get(SecondFactor, key)
            if row is not None and row.confirmed_at is not None:
                raise BadAccess("codes are on already; turn them off first")
            if row is not None:
                session.delete(row)
                session.flush()
            sealed = self._cipher.encrypt(secret.encode()).decode()
            session.add(SecondFactor(person=key, secret=sealed, last_step=0, recovery=[], confirmed_at=None))
        return Enrolment(secret, pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name="Footnote"))

    def confirm(self, person: str, code: str, by: Actor) -> list[str]:
        """Turn codes on; the recovery codes are told this once. Raises NoSuchPerson, CodeWanted, BadAccess."""
        codes = [_recovery_code() for _ in range(RECOVERY_CODES)]
        with self._database.write() as session:
            who = person_row(session, person)
            row = session.get(SecondFactor, who.key)
            if row is None or row.confirmed_at is not None:
                raise BadAccess("nothing waits for a code; begin anew")
            self._use(row, code)
            row.confirmed_at, row.recovery = utc_now(), [self._seal.seal(_PURPOSE, one) for one in codes]
            self._audit.append(session, by, "people.codes_on", f"person:{who.id}")
        return codes

    def check(self, person: str, code: str) -> None:
        """Use a code, or a recovery code, where codes are on. Raises NoSuchPerson, CodeWanted."""
        with self._database.write() as session:
            who = person_row(session, person)
            row = session.get(SecondFactor, who.key)
            if row is None or row.confirmed_at is None:
                return
            sealed = self._seal.seal(_PURPOSE, "".join(code.split()).casefold())
            if sealed in row.recovery:
                row.recovery = [one for one in row.recovery if one != sealed]
                left = len(row.recovery)
                actor = Actor(who.id, who.name, "session")
                self._audit.append(session, actor, "people.recovery_code", f"person:{who.id}", left=left)
                return
            self._use(row, code)

    def off(self, person: str, by: Actor) -> None:
        """Turn codes off. Where they are off this is no error. Raises NoSuchPerson."""
        with self._database.write() as session:
            who = person_row(session, person)
            gone = delete(SecondFactor).where(SecondFactor.person == who.key).returning(SecondFactor.person)
            if session.execute(gone).all():
                self._audit.append(session, by, "people.codes_off", f"person:{who.id}")

    def _use(self, row: SecondFactor, code: str) -> None:
        try:
            codes = pyotp.TOTP(self._cipher.decrypt(row.secret.encode()).decode())
        except InvalidToken as error:
            raise CodeWanted(
                "the secret of your codes cannot be read any more; ask an admin to turn them off"
            ) from error
        typed, now = "".join(code.split()), int(time.time()) // _STEP
        for step in (now - 1, now, now + 1):
            good = secrets.compare_digest(codes.generate_otp(step).encode(), typed.encode())
            if good and step > row.last_step:
                row.last_step = step
                return
        raise CodeWanted("a code of your authenticator is wanted, one that was not used before; type the newest one")


def _recovery_code() -> str:
    letters = "".join(secrets.choice(_ALPHABET) for _ in range(12))
    return "-".join((letters[:4], letters[4:8], letters[8:]))
