"""The one place where a request is allowed or refused: each route states a rule, and `admit` enforces it.

Knows no particular route. What a caller may not see does not exist for them: the error is that of a wrong id. Routes
that name collections in their body ask the permit themselves; what they asked for is looked at again while they run.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol, TypeVar

from anyio import CancelScope
from litestar import Request
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.types import Scope as AsgiScope

from index.errors import NoSuchCollection, NoSuchDocument
from index.queries import no_such_document
from index.rows import CollectionInfo, DocumentInfo
from ingest.errors import NoSuchJob
from ingest.job import BatchInfo, JobInfo
from rag.access.errors import ForgedRequest, NotAllowed, NotSignedIn
from rag.access.limits import Limits
from rag.access.policy import LEVELS, OPEN, Caller, Level, Scope
from rag.api.credentials import Credentials
from rag.api.sight import Sight
from rag.app import App
from rag.errors import NoSuchAnswer
from rag.events import AnswerEvent, Sources, Started
from rag.history_values import AnswerRecord
from rag.quota import check_quota

Kind = Literal["collection", "document", "job", "batch", "answer"]
_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_STATE: Final = "permit"


class Drawn(Protocol):
    """Something that was made of documents: the ids of its collections, and of the documents it quotes."""

    @property
    def collections(self) -> tuple[str, ...]: ...

    @property
    def documents(self) -> frozenset[str]: ...


T = TypeVar("T", bound=Drawn)


@dataclass(frozen=True, slots=True)
class Rule:
    """Who may call a route. `scope` is what an API key must be good for; None lets everyone in, known or not.

    `object` is the kind of thing that the path parameter `parameter` names, and `level` what it takes. `audit` is the
    action under which a call is written into the audit log.
    """

    scope: Scope | None
    admins: bool = False
    reviewers: bool = False
    object: Kind | None = None
    level: Level = "read"
    parameter: str = ""
    audit: str = ""
    counted: Literal["", "uploads", "streams"] = ""


def everyone(audit: str = "") -> dict[str, Any]:
    """Options of a route that needs no credential."""
    return {"access": Rule(None, audit=audit)}


def known(scope: Scope, audit: str = "", counted: Literal["", "streams"] = "") -> dict[str, Any]:
    """Options of a route for whoever has a credential; it shows or does only what its permit allows."""
    return {"access": Rule(scope, audit=audit, counted=counted)}


def admins(scope: Scope = "admin", audit: str = "") -> dict[str, Any]:
    """Options of a route for owners and admins."""
    return {"access": Rule(scope, admins=True, audit=audit)}


def reviewers(scope: Scope = "read", audit: str = "") -> dict[str, Any]:
    """Options of a route for those who read answers of others: evaluators, admins and owners."""
    return {"access": Rule(scope, reviewers=True, audit=audit)}


def on(
    object: Kind,
    level: Level = "read",
    *,
    parameter: str = "",
    scope: Scope | None = None,
    audit: str = "",
    counted: Literal["", "uploads", "streams"] = "",
) -> dict[str, Any]:
    """Options of a route about one thing, which its path names."""
    rule = Rule(scope or level, object=object, level=level, parameter=parameter or object, audit=audit, counted=counted)
    return {"access": rule}


@dataclass(eq=False)
class Permit:
    """What one request is and may do.

    `needs` grows with what was allowed, collection id -> level, and `drawn` with the ids of the documents it reads.
    """

    app: App
    credentials: Credentials
    limits: Limits = field(default_factory=Limits)
    needs: dict[str, Level] = field(default_factory=dict)
    drawn: set[str] = field(default_factory=set)
    rule: Rule | None = None
    path: Mapping[str, Any] = field(default_factory=dict)
    told: dict[str, Any] = field(default_factory=dict)  # what the audit line says beside the path
    renewed: str | None = None  # a session's new token; empty: the session has ended
    cancel: CancelScope = field(default_factory=CancelScope)
    _caller: Caller | None = None
    _why_not: NotSignedIn | None = None
    _wholes: dict[str, bool] = field(default_factory=dict)
    # Answers of this person, and of this key, that ran when the request came.
    beside: tuple[int, int] = (0, 0)
    _places: list[Callable[[], None]] = field(default_factory=list)

    @property
    def caller(self) -> Caller:
        """Who calls. Raises NotSignedIn."""
        if self._caller is None:
            raise self._why_not or NotSignedIn("this needs a session or an API key; sign in, or send a bearer key")
        return self._caller

    @property
    def someone(self) -> Caller | None:
        """Who calls, or None when nobody knows."""
        return self._caller

    def identify(self) -> None:
        """Find out who calls; blocking. A credential that is not good is nobody, with the reason kept."""
        access = self.app.access
        try:
            if not access.in_use:
                self._caller = OPEN
            elif self.credentials.bearer is not None:
                self._caller = access.by_key(self.credentials.bearer)
            elif self.credentials.session is not None:
                self._caller, self.renewed = access.by_session(self.credentials.session)
        except NotSignedIn as error:
            self._why_not = error

    # What may be seen

    def collection(self, name_or_id: str, level: Level = "read") -> CollectionInfo:
        """A collection that the caller may use so. Raises NoSuchCollection, NotAllowed."""
        info = self.app.catalog.collection(name_or_id)
        self._need(info.id, level, NoSuchCollection(_unknown_collection(name_or_id)))
        return info

    def collections(self) -> tuple[CollectionInfo, ...]:
        """Every collection that the caller may read, by name."""
        caller = self.caller
        return tuple(info for info in self.app.catalog.collections() if caller.may(info.id, "read"))

    def readable(self) -> frozenset[str] | None:
        """The ids of those collections; None when all are."""
        return None if self.caller.administers else frozenset(info.id for info in self.collections())

    @property
    def sight(self) -> Sight:
        """Which documents the caller may read in collections that they may read."""
        return Sight(self.app.access.readers, self.caller)

    def document(self, id: str, level: Level = "read") -> DocumentInfo:
        """A document in a collection that the caller may use so. Raises NoSuchDocument, NotAllowed."""
        info = self.app.catalog.document(id)
        if self.sight.hidden([id]):
            raise no_such_document(id)
        self._need(info.collection, level, no_such_document(id))
        self.drawn.add(id)
        return info

    def visible(self, documents: Iterable[DocumentInfo]) -> list[DocumentInfo]:
        """Those of these documents that the caller may read."""
        listed = list(documents)
        hidden = self.sight.hidden(info.id for info in listed)
        return [info for info in listed if info.id not in hidden]

    def visible_jobs(self, jobs: Iterable[JobInfo]) -> list[JobInfo]:
        """Those of these jobs that are about no document, and no file name, which the caller may not see."""
        listed = list(jobs)
        hidden = self.sight.hidden(job.document for job in listed if job.document)
        names = {collection: self.sight.hidden_names(collection) for collection in {job.collection for job in listed}}
        return [job for job in listed if job.document not in hidden and job.name not in names[job.collection]]

    def whole(self, collection: str) -> bool:
        """Whether every document of a collection (id) may be read: what is made of all of them may be shown."""
        if collection not in self._wholes:
            self._wholes[collection] = self.caller.may(collection, "read") and not self.sight.hidden_names(collection)
        return self._wholes[collection]

    def job(self, id: str, level: Level = "read") -> JobInfo:
        """A job of a collection that the caller may use so. Raises NoSuchJob, NotAllowed."""
        info = self.app.jobs.job(id)
        missing = NoSuchJob(f"there is no job {id}; list them with `footnote jobs list`")
        self._need(info.collection, level, missing)
        if not self.visible_jobs([info]):
            raise missing
        return info

    def batch(self, id: str, level: Level = "read") -> BatchInfo:
        """A batch of a collection that the caller may use so. Raises NoSuchJob, NotAllowed."""
        info = self.app.jobs.batch(id)
        missing = NoSuchJob(f"there is no batch {id}; an upload of several files names its batch")
        self._need(info.collection, level, missing)
        return info

    def answer(self, id: str, level: Level = "read") -> AnswerRecord:
        """An answer of the caller, or to read one that was shared or that the role opens; all its collections are
        readable.

        Raises NoSuchAnswer.
        """
        record, owner = self.app.history.answer_with_owner(id)
        caller = self.caller
        theirs = caller.open or owner.tenant == caller.person
        foreign = level == "read" and (owner.shared or caller.reads_answers_of_others)
        if not (theirs or foreign) or not self.may_read(record):
            raise NoSuchAnswer(f"there is no answer {id!r}; it may have been deleted with its conversation")
        for collection in record.collections:
            self.needs.setdefault(collection, "read")
        self.drawn |= record.documents
        return record

    def may_read(self, record: AnswerRecord) -> bool:
        """Whether every collection and every document that an answer drew from may be read now."""
        return bool(self.readable_answers([record]))

    def readable_answers(self, records: Iterable[T]) -> list[T]:
        """Those of these answers, or opinions on answers, that drew only from what may be read now."""
        listed = [each for each in records if all(self.caller.may(one, "read") for one in each.collections)]
        hidden = self.sight.hidden(document for each in listed for document in each.documents)
        return [each for each in listed if hidden.isdisjoint(each.documents)]

    def _need(self, collection: str, level: Level, missing: Exception) -> None:
        caller = self.caller
        if not caller.may(collection, "read"):
            raise missing
        if not caller.may(collection, level):
            raise NotAllowed(
                f"you may {caller.level(collection)} this collection, but this takes {level!r}; ask who manages it"
            )
        if LEVELS.index(level) >= LEVELS.index(self.needs.get(collection, "read")):
            self.needs[collection] = level

    # While it runs

    def look_again(self) -> None:
        """Is the caller still known, and still allowed what this request was allowed? Blocking.

        Raises NotSignedIn, NoSuchCollection, NoSuchDocument.
        """
        caller = self.app.access.again(self.caller)
        for collection, level in list(self.needs.items()):
            if not caller.may(collection, level):
                raise NoSuchCollection("access to this collection was taken back while this ran")
        if self.drawn and Sight(self.app.access.readers, caller).hidden(tuple(self.drawn)):
            raise NoSuchDocument("access to a document was taken back while this ran")

    async def guarded(self, events: AsyncGenerator[AnswerEvent, None]) -> AsyncGenerator[AnswerEvent, None]:
        """The events of an answer; before text of documents leaves, the permit is looked at again."""
        async with aclosing(events):
            async for event in events:
                if isinstance(event, Started) and not self.caller.open:
                    local = not event.model or (await asyncio.to_thread(self.app.models.get, event.model)).local
                    self.told |= {"model": event.model, "answer": event.answer, "left_site": not local}
                if isinstance(event, Sources):
                    await asyncio.to_thread(self._leaving, {source.document for source in event.sources})
                yield event

    def _leaving(self, documents: Iterable[str]) -> None:
        self.drawn |= set(documents)
        self.look_again()
        if not self.caller.administers:
            for document in documents:
                if self.app.catalog.document(document).collection not in self.needs:
                    raise NotAllowed("a passage came from a collection that was not asked; nothing is shown of it")

    def check_quota(self) -> None:
        """What the caller's answers took in the last 24 hours and 30 days, and may take that run now; blocking.

        Raises TooMany.
        """
        caller = self.caller
        if not caller.open:
            check_quota(self.app.settings, self.app.usage, caller.person, caller.key, self.beside)

    def hold(self, kind: str, most: int) -> None:
        """Take a place until the request ends. Raises TooMany."""
        self._places.append(self.limits.hold(kind, self.caller.identity, most))

    def hold_beside(self, caller: Caller) -> tuple[int, int]:
        """How many answers this person, and this key, has running; this request counts for those that follow."""
        names = (caller.person, caller.key or "")
        found = tuple(self.limits.held("answers", name) for name in names)
        self._places += [self.limits.hold("answers", name, 0) for name in names if name]
        return found[0], found[1]

    def close(self) -> None:
        """The request has ended."""
        while self._places:
            self._places.pop()()


def permit_of(connection: ASGIConnection[Any, Any, Any, Any]) -> Permit:
    """The permit that the gate made for a request."""
    return permit_in(connection.scope)


def permit_in(scope: AsgiScope) -> Permit:
    """The permit in a scope."""
    found: Permit = scope["state"][_STATE]
    return found


def put_permit(scope: AsgiScope, permit: Permit) -> None:
    """Put the permit where guards and routes find it."""
    scope.setdefault("state", {})[_STATE] = permit


def provide_permit(request: Request[Any, Any, Any]) -> Permit:
    """The permit as litestar injects it."""
    return permit_of(request)


async def admit(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """The guard of every route. Raises what the caller is told when they may not."""
    method = str(connection.scope.get("method", "GET"))
    if method == "OPTIONS":
        return  # tells the methods of an address, which the documentation tells anyway
    rule = handler.opt.get("access")
    if not isinstance(rule, Rule):
        raise TypeError(f"the route {handler} states no rule of access; give it one of rag/api/permit.py")
    permit = permit_of(connection)
    permit.rule, permit.path = rule, connection.path_params
    await asyncio.to_thread(permit.identify)
    _count(permit, rule)
    if rule.scope is None:
        return
    caller = permit.caller
    _check_rights(permit, caller, rule, method)
    if rule.object is not None and not caller.administers:
        look: Callable[..., object] = getattr(permit, rule.object)
        await asyncio.to_thread(look, connection.path_params[rule.parameter], rule.level)


def _check_rights(permit: Permit, caller: Caller, rule: Rule, method: str) -> None:
    if caller.session is not None and method not in _READING:
        expected = permit.app.access.sessions.forgery_token(caller.session)
        if permit.credentials.forgery_token != expected:
            raise ForgedRequest("the header X-CSRF-Token is missing or old; load the page again")
    if rule.scope is not None and not caller.has_scope(rule.scope):
        raise NotAllowed(f"this API key lacks the scope {rule.scope!r}; make one that has it")
    if rule.admins and not caller.administers:
        raise NotAllowed(f"your role is {caller.role}, but this is for owners and admins; ask one")
    if rule.reviewers and not caller.reads_answers_of_others:
        raise NotAllowed(f"your role is {caller.role}, but this is for evaluators, admins and owners; ask one")


def _count(permit: Permit, rule: Rule) -> None:
    """Limits hold from the first owner on; whoever is nobody is counted by address."""
    caller, settings, limits = permit.someone, permit.app.settings, permit.limits
    if caller is None:
        if rule.scope is not None:
            limits.take("unknown requests", permit.credentials.peer, settings.limit_unknown)
        return
    if caller.open:
        return
    limits.take("requests", caller.identity, settings.limit_requests)
    if rule.counted == "uploads":
        limits.take("uploads", caller.identity, settings.limit_uploads)
    if rule.counted:
        permit.hold(rule.counted, settings.limit_streams)
    if rule.counted == "streams":
        permit.beside = permit.hold_beside(caller)


def _unknown_collection(name_or_id: str) -> str:
    return f"there is no collection {name_or_id!r}; `footnote collections` lists those there are"
