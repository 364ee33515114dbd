"""Signing in at a provider: attempts that count once, and who someone from there is here. Knows no HTTP.

Someone who comes for the first time gets an account by their verified e-mail address; later they are known by the
provider's subject, whatever their address. An account with a password of its own is never taken over.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from index.database import Database
from index.schema import utc_now
from rag.access.audit import Audit
from rag.access.errors import BadAccess, SignOnFailed
from rag.access.policy import ROLES, Actor, Role, checked_name, checked_role
from rag.access.schema import Person, SignOnAttempt
from rag.access.secret import Seal

if TYPE_CHECKING:  # its libraries are loaded only where a provider is set
    from rag.access.provider import Identity, Provider

LASTS: Final = timedelta(minutes=10)  # from the first page to the return
_BY: Final = Actor("", "sign-in provider", "single sign-on")
_PURPOSE: Final = "sign-on"


@dataclass(frozen=True, slots=True)
class Rules:
    """Who may come, and as what. `roles` maps the provider's groups; `other` is for those in none (empty: nobody)."""

    domains: tuple[str, ...]
    roles: Mapping[str, Role]
    other: str

    def role(self, identity: "Identity") -> Role:
        """The highest role of their groups. Raises SignOnFailed for someone who may not come."""
        domain = identity.email.rpartition("@")[2].casefold()
        if not identity.email_verified or not domain:
            raise SignOnFailed("the sign-in provider does not vouch for your e-mail address; have it verified there")
        if self.domains and domain not in self.domains:
            raise SignOnFailed(f"addresses at {domain[:100]} may not sign in here; ask an admin")
        found = [self.roles[group] for group in identity.groups if group in self.roles]
        if found:
            return min(found, key=ROLES.index)
        if not self.other:
            raise SignOnFailed("none of your groups may sign in here; ask an admin")
        return checked_role(self.other)


def read_rules(domains: Sequence[str], roles: Sequence[str], other: str) -> Rules:
    """Rules as settings write them: `group=role`. Raises BadAccess."""
    mapped: dict[str, Role] = {}
    for pair in roles:
        group, _, role = pair.rpartition("=")
        mapped[group] = checked_role(role)
    if not all(mapped) or "owner" in (*mapped.values(), other) or "service" in (*mapped.values(), other):
        raise BadAccess("oidc.roles wants pairs as in `support-leads=evaluator`; owners and programs are made here")
    if other:
        checked_role(other)
    return Rules(tuple(domain.casefold().removeprefix("@") for domain in domains), mapped, other)


@dataclass(frozen=True, slots=True)
class SentAway:
    """Where a browser is sent, and what it must bring back in a cookie."""

    address: str
    browser: str


@dataclass(frozen=True, slots=True)
class Returned:
    """Who came back, and where they wanted to go."""

    person: str
    name: str
    wanted: str


class SignOn:
    """Attempts to sign in at one provider. Safe to use from many threads."""

    def __init__(self, database: Database, audit: Audit, seal: Seal, provider: "Provider", rules: Rules) -> None:
        self._database = database
        self._audit = audit
        self._seal = seal
        self._provider = provider
        self._rules = rules

    def begin(self, redirect: str, wanted: str) -> SentAway:
        """Begin an attempt. Raises SignOnFailed when the provider does not answer."""
        begun, browser = self._provider.begin(redirect), secrets.token_urlsafe(32)
        with self._database.write() as session:
            session.execute(delete(SignOnAttempt).where(SignOnAttempt.expires_at <= utc_now()))
            session.add(
                SignOnAttempt(
                    state=self._seal.seal(_PURPOSE, begun.state),
                    browser=self._seal.seal(_PURPOSE, browser),
                    nonce=begun.nonce,
                    verifier=begun.verifier,
                    redirect=redirect,
                    wanted=wanted,
                    expires_at=utc_now() + LASTS,
                )
            )
        return SentAway(begun.address, browser)

    def finish(self, state: str, browser: str, code: str) -> Returned:
        """End an attempt, whatever comes of it: a state is good once. Raises SignOnFailed."""
        sealed = self._seal.seal(_PURPOSE, state)
        with self._database.write() as session:
            taken = delete(SignOnAttempt).where(SignOnAttempt.state == sealed).returning(SignOnAttempt)
            attempt = session.scalar(taken)
            if attempt is not None:
                session.expunge(attempt)
        if attempt is None or attempt.expires_at <= utc_now():
            raise SignOnFailed("this way back was used before, or took too long; begin again")
        if not self._seal.fits(_PURPOSE, browser, attempt.browser):
            raise SignOnFailed("another browser began this sign-in; begin again in this one")
        identity = self._provider.finish(attempt.redirect, code, attempt.nonce, attempt.verifier)
        role = self._rules.role(identity)
        with self._database.write() as session:
            row = self._person(session, identity, role)
            return Returned(row.id, row.name, attempt.wanted)

    def _person(self, session: Session, identity: "Identity", role: Role) -> Person:
        row = session.scalar(select(Person).where(Person.issuer == identity.issuer, Person.subject == identity.subject))
        row = row or self._first_time(session, identity, role)
        if row.suspended_at is not None:
            raise SignOnFailed("this account is suspended; ask an admin")
        if self._rules.roles and row.role != role and row.role != "owner":
            told = {"before": row.role, "after": role}
            self._audit.append(session, _BY, "people.role", f"person:{row.id}", **told)
            row.role = role
        return row

    def _first_time(self, session: Session, identity: "Identity", role: Role) -> Person:
        name = checked_name(identity.email)
        row = session.scalar(select(Person).where(Person.name == name))
        if row is None:
            row = Person(id="u_" + secrets.token_hex(12), name=name, role=role, password="", suspended_at=None)
            session.add(row)
            session.flush()
            self._audit.append(session, _BY, "people.create", f"person:{row.id}", name=name, role=role)
        elif row.password or row.subject or row.role == "service":
            raise SignOnFailed(f"the account {name!r} signs in by other means here; ask an admin")
        row.issuer, row.subject = identity.issuer, identity.subject
        self._audit.append(session, _BY, "people.link", f"person:{row.id}", issuer=identity.issuer)
        return row
