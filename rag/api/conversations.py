"""Conversations: list, search, show, rename, pin, share, export, delete. Knows nothing of how an answer is made."""

import re
from datetime import datetime
from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import Controller, Response, delete, get, patch
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from msgspec import Meta, Struct

from rag.api.answers import answer_json
from rag.api.listing import Cursor, Listing
from rag.api.parts import AppPart, PermitPart
from rag.api.permit import Permit, known
from rag.app import App
from rag.errors import NoSuchConversation
from rag.history_values import ConversationChange, ConversationInfo, ConversationRecord
from rag.transcript import conversation_markdown

_NAME: Final = re.compile(r"[^a-z0-9]+")


class ConversationView(Struct):
    """One line of the list; `answers` is a count. A shared one may be read by everyone who has its id and a grant."""

    id: str
    title: str
    answers: int
    created_at: datetime
    updated_at: datetime
    pinned: bool
    shared: bool


class ConversationWhole(Struct):
    """A conversation with its answers, oldest first. `ratings` are the caller's own, by answer.

    `earlier` is the `before` with which the answers before these are asked for; null when there are none.
    """

    id: str
    title: str
    created_at: datetime
    updated_at: datetime
    pinned: bool
    shared: bool
    mine: bool
    answers: list[dict[str, Any]]
    ratings: dict[str, str]
    earlier: str | None = None


class ConversationPatch(Struct, forbid_unknown_fields=True):
    """The fields to change; absent ones stay."""

    title: Annotated[str, Meta(min_length=1, max_length=500)] | None = None
    pinned: bool | None = None
    shared: bool | None = None


class ConversationController(Controller):
    """`/api/v1/conversations`."""

    path = "/conversations"
    tags = ("conversations",)

    @get(sync_to_thread=True, opt=known("read"))
    def list_conversations(
        self,
        app: AppPart,
        permit: PermitPart,
        limit: Annotated[int, QueryParameter(ge=1, le=200)] = 50,
        cursor: Cursor = None,
        search: Annotated[str, QueryParameter(max_length=200, description="In titles, questions and answers.")] = "",
        pinned: FromQuery[bool | None] = None,
    ) -> Listing[ConversationView]:
        """List one's own conversations, newest first."""
        page = app.history.conversations(limit, cursor, permit.caller.tenant, search=search.strip(), pinned=pinned)
        return Listing([_view(info) for info in page.items], page.next_cursor)

    @get("/{conversation:str}", sync_to_thread=True, opt=known("read"))
    def show_conversation(
        self,
        app: AppPart,
        permit: PermitPart,
        conversation: FromPath[str],
        last: Annotated[int | None, QueryParameter(ge=1, le=200, description="Only so many answers.")] = None,
        before: Annotated[str | None, QueryParameter(max_length=200, description="`earlier` of what came.")] = None,
    ) -> ConversationWhole:
        """A conversation with everything asked and answered, but for what may not be read; also one that is shared.

        With `last` only the newest answers, or those before `before`.
        """
        record = _readable(app, permit, conversation, last, before)
        info, caller = record.info, permit.caller
        return ConversationWhole(
            info.id,
            info.title,
            info.created_at,
            info.updated_at,
            info.pinned,
            info.shared,
            caller.open or record.tenant == caller.person,
            [answer_json(answer) for answer in record.answers],
            dict(app.review.ratings(info.id, caller.person)),
            record.earlier,
        )

    @get(
        "/{conversation:str}/export",
        sync_to_thread=True,
        opt=known("read", audit="conversations.export"),
        responses={200: ResponseSpec(bytes, description="A file", media_type="application/octet-stream")},
    )
    def export(
        self,
        app: AppPart,
        permit: PermitPart,
        conversation: FromPath[str],
        form: FromQuery[Literal["markdown", "json"]] = "markdown",
    ) -> Response[bytes]:
        """The conversation as a file: Markdown with footnotes, or JSON."""
        record = _readable(app, permit, conversation)
        if form == "json":
            body = msgspec.json.encode([answer_json(answer) for answer in record.answers])
        else:
            body = conversation_markdown(record).encode()
        name = _NAME.sub("-", record.info.title.lower()).strip("-")[:60] or "conversation"
        media_type, ending = ("application/json", "json") if form == "json" else ("text/markdown; charset=utf-8", "md")
        headers = {"Content-Disposition": f'attachment; filename="{name}.{ending}"'}
        return Response(body, media_type=media_type, headers=headers)

    @patch("/{conversation:str}", sync_to_thread=True, opt=known("ask", audit="conversations.change"))
    def change(
        self, app: AppPart, permit: PermitPart, conversation: FromPath[str], data: JSONBody[ConversationPatch]
    ) -> ConversationView:
        """Rename, pin or share a conversation of one's own."""
        wanted = ConversationChange(data.title, data.pinned, data.shared)
        if data.shared is not None:
            permit.told["shared"] = data.shared
        return _view(app.history.change_conversation(conversation, wanted, permit.caller.tenant))

    @delete("/{conversation:str}", sync_to_thread=True, opt=known("ask", audit="conversations.delete"))
    def delete_conversation(self, app: AppPart, permit: PermitPart, conversation: FromPath[str]) -> None:
        """Delete a conversation with its answers and traces. Deleting what is gone is no error."""
        app.history.delete_conversation(conversation, permit.caller.tenant)


def _readable(
    app: App, permit: Permit, conversation: str, last: int | None = None, before: str | None = None
) -> ConversationRecord:
    """A conversation of the caller's or a shared one, without the answers that the caller may not read.

    A shared one of which nothing may be read does not exist for the caller: its title is a question too.
    """
    caller = permit.caller
    record = app.history.conversation(conversation, caller.tenant, or_shared=True, last=last, before=before)
    answers = tuple(permit.readable_answers(record.answers))
    if not answers and not caller.open and record.tenant != caller.person:
        if last is None:
            raise NoSuchConversation(f"there is no conversation {conversation!r}; leave it out to begin a new one")
        _readable(app, permit, conversation)  # is there anything else to read in it?
    return ConversationRecord(record.info, record.tenant, answers, record.earlier)


def _view(info: ConversationInfo) -> ConversationView:
    return ConversationView(
        info.id, info.title, info.answers, info.created_at, info.updated_at, info.pinned, info.shared
    )
