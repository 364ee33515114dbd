"""Who may do what: roles, levels and scopes, and the decisions over them; pure. Knows no SQL and no HTTP.

Owners and admins may do everything with every collection. Evaluators, members and services may do what a grant to
them or to one of their groups says, and evaluators also read the answers that others got from what they may read.
A key never may more than its person, and only what its scopes name.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeVar, get_args

from rag.access.errors import BadAccess, NotAllowed

Role = Literal["owner", "admin", "evaluator", "member", "service"]
Level = Literal["read", "write", "manage"]
Scope = Literal["ask", "read", "write", "manage", "admin"]
Word = TypeVar("Word", bound=str)

ROLES: Final[tuple[Role, ...]] = get_args(Role)
LEVELS: Final[tuple[Level, ...]] = get_args(Level)  # each holds the ones before
SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)
_ADMINS: Final = frozenset({"owner", "admin"})


@dataclass(frozen=True, slots=True)
class Actor:
    """Who is written into the audit log, and by which credential."""

    person: str
    name: str
    via: str


COMMAND_LINE: Final = Actor("", "command line", "command line")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, at one moment: `grants` maps collections' ids to levels, `groups` are ids, `scopes` of None means all.

    `open` is the caller of a service without accounts: everything is allowed, and everything belongs to everyone.
    """

    person: str
    name: str
    role: Role
    grants: Mapping[str, Level] = field(default_factory=dict)
    groups: frozenset[str] = frozenset()
    key: str | None = None
    session: str | None = None
    scopes: frozenset[str] | None = None
    open: bool = False

    @property
    def administers(self) -> bool:
        """Whether people, groups, grants, keys and settings are this caller's to see and change."""
        return self.role in _ADMINS

    @property
    def tenant(self) -> str | None:
        """Whose conversations these are; None without accounts."""
        return None if self.open else self.person

    @property
    def identity(self) -> str:
        """What limits count by: the key, or else the person."""
        return self.key or self.person

    @property
    def reads_answers_of_others(self) -> bool:
        """Whether answers that others got may be read, where the collections may be."""
        return self.administers or self.role == "evaluator"

    def level(self, collection: str) -> Level | None:
        """The highest level on a collection (id), or None when it does not exist for this caller."""
        return "manage" if self.administers else self.grants.get(collection)

    def may(self, collection: str, level: Level) -> bool:
        """Whether the caller's level on a collection (id) holds `level`."""
        own = self.level(collection)
        return own is not None and LEVELS.index(own) >= LEVELS.index(level)

    @property
    def names(self) -> frozenset[str]:
        """The ids under which this caller may be a document's reader."""
        return self.groups | {self.person}

    def reads(self, collection: str, readers: frozenset[str]) -> bool:
        """Whether a document of a collection (id) that has these readers (ids) may be read; none: everyone there may.

        Readers are among those who read the collection; whoever manages it reads everything in it.
        """
        if not self.may(collection, "read"):
            return False
        return not readers or self.may(collection, "manage") or not readers.isdisjoint(self.names)

    def has_scope(self, scope: Scope) -> bool:
        """Whether the credential is good for this kind of call."""
        return self.scopes is None or scope in self.scopes

    def actor(self) -> Actor:
        """The caller as the audit log names it."""
        via = "open" if self.open else f"key {self.key}" if self.key else "session"
        return Actor(self.person, self.name, via)


OPEN: Final = Caller(person="", name="", role="owner", open=True)


def check_administers(caller: Caller, target: Role, becomes: Role | None = None) -> None:
    """Raises NotAllowed unless `caller` may change a person of role `target`, and make one of role `becomes`."""
    if not caller.administers:
        raise NotAllowed(f"your role is {caller.role}, but people are administered by owners and admins; ask one")
    if caller.role != "owner" and "owner" in (target, becomes):
        raise NotAllowed("only an owner may make, change or suspend an owner; ask one")


def checked_role(role: str) -> Role:
    """The role of that name. Raises BadAccess."""
    return _one_of("role", role, ROLES)


def checked_level(level: str) -> Level:
    """The level of that name. Raises BadAccess."""
    return _one_of("level", level, LEVELS)


def checked_scopes(scopes: Iterable[str]) -> tuple[Scope, ...]:
    """Scopes in their own order, each once. Raises BadAccess for an unknown one or none."""
    named = [_one_of("scope", scope, SCOPES) for scope in scopes]
    if not named:
        raise BadAccess(f"a key needs at least one scope: {', '.join(SCOPES)}")
    return tuple(scope for scope in SCOPES if scope in named)


def checked_name(name: str) -> str:
    """A name of a person or group as it is stored: trimmed and casefolded. Raises BadAccess."""
    folded = " ".join(name.split()).casefold()
    if not 1 <= len(folded) <= 200 or not folded.isprintable():
        raise BadAccess(f"the name {name[:50]!r} has {len(folded)} characters, but 1 to 200 printable ones were wanted")
    return folded


def _one_of(kind: str, value: str, known: tuple[Word, ...]) -> Word:
    for each in known:
        if each == value:
            return each
    raise BadAccess(f"{value!r} is no {kind}; one of {', '.join(known)} was wanted")
