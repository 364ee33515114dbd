"""Everything about access in one hand, and the way from a credential to its caller. Knows no HTTP."""

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from index.database import Database
from index.schema import utc_now
from rag.access.audit import Audit
from rag.access.errors import NotSignedIn
from rag.access.grants import Grants, groups_of, levels_of
from rag.access.keys import USED_SECONDS, Keys
from rag.access.passwords import Passwords
from rag.access.people import People
from rag.access.policy import OPEN, Caller
from rag.access.readers import Readers
from rag.access.schema import Person
from rag.access.second_factor import SecondFactors
from rag.access.secret import open_seal
from rag.access.sessions import Sessions
from rag.access.sign_on import Rules, SignOn

if TYPE_CHECKING:
    from rag.access.provider import Provider


class Access:
    """People, grants, keys, sessions and the audit log over one database.

    Every look-up reads the database anew, so what was taken away is gone with the next request.
    """

    def __init__(
        self,
        database: Database,
        folder: Path,
        *,
        secret: str = "",
        session_longest: timedelta = timedelta(days=14),
        session_idle: timedelta = timedelta(hours=12),
        passwords: Passwords | None = None,
    ) -> None:
        seal = open_seal(folder, secret)
        self._database = database
        self._has_owner = False
        self._seal = seal
        self.audit = Audit(database, seal)
        self.people = People(database, self.audit, passwords or Passwords())
        self.grants = Grants(database, self.audit)
        self.readers = Readers(database, self.audit)
        self.keys = Keys(database, self.audit, seal)
        self.sessions = Sessions(database, self.audit, seal, session_longest, session_idle)
        self.second_factors = SecondFactors(database, self.audit, seal)
        self.sign_on: SignOn | None = None

    def use_provider(self, provider: "Provider", rules: Rules) -> None:
        """Let people sign in at a provider too."""
        self.sign_on = SignOn(self._database, self.audit, self._seal, provider, rules)

    @property
    def in_use(self) -> bool:
        """Whether there is an owner, so that every call needs a credential. Once true it stays true."""
        self._has_owner = self._has_owner or self.people.has_owner()
        return self._has_owner

    def by_key(self, raw: str) -> Caller:
        """Who sends this API key. Raises NotSignedIn."""
        with self._database.read() as session:
            row, who = self.keys.check(session, raw)
            caller = _caller(session, who, key=row.id, scopes=frozenset(row.scopes))
            used = row.last_used_at
        if used is None or (utc_now() - used).total_seconds() > USED_SECONDS:
            self.keys.used(row.id)
        return caller

    def by_session(self, token: str) -> tuple[Caller, str | None]:
        """Who sends this session token, and the token that replaces it, if it is time. Raises NotSignedIn."""
        with self._database.read() as session:
            row, who = self.sessions.rows(session, token)
            caller = _caller(session, who, session_id=row.id)
        return caller, self.sessions.touch(row.id, row.seen_at, row.rotated_at, token)

    def again(self, caller: Caller) -> Caller:
        """The same caller as of now. Raises NotSignedIn when the credential is no longer good."""
        if caller.open:
            if self.in_use:
                raise NotSignedIn("this service has accounts now; sign in")
            return OPEN
        with self._database.read() as session:
            if caller.key is not None:
                row, who = self.keys.rows(session, caller.key)
                return _caller(session, who, key=row.id, scopes=frozenset(row.scopes))
            if caller.session is None:
                raise NotSignedIn("there is no credential; sign in")
            signed, who = self.sessions.again(session, caller.session)
            return _caller(session, who, session_id=signed.id)


def _caller(
    session: Session,
    who: Person,
    *,
    key: str | None = None,
    session_id: str | None = None,
    scopes: frozenset[str] | None = None,
) -> Caller:
    if who.suspended_at is not None:
        raise NotSignedIn("this account is suspended; ask an admin")
    if who.role in ("owner", "admin"):
        return Caller(who.id, who.name, who.role, key=key, session=session_id, scopes=scopes)
    grants, groups = levels_of(session, who.key), groups_of(session, who.key)
    return Caller(who.id, who.name, who.role, grants, groups, key=key, session=session_id, scopes=scopes)
