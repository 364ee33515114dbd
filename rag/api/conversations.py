"""Conversations: list, show, rename, delete. Knows nothing of how an answer is made."""

from datetime import datetime
from typing import Annotated, Any

from litestar import Controller, delete, get, patch
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Meta, Struct

from rag.api.answers import answer_json
from rag.api.listing import Cursor, Listing
from rag.api.parts import AppPart, PermitPart
from rag.api.permit import known
from rag.history import ConversationInfo


class ConversationView(Struct):
    """One line of the list; `answers` is a count."""

    id: str
    title: str
    answers: int
    created_at: datetime
    updated_at: datetime


class ConversationWhole(Struct):
    """A conversation with its answers, oldest first."""

    id: str
    title: str
    created_at: datetime
    updated_at: datetime
    answers: list[dict[str, Any]]


class ConversationChange(Struct, forbid_unknown_fields=True):
    """The new title."""

    title: Annotated[str, Meta(min_length=1, max_length=500)]


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
    ) -> Listing[ConversationView]:
        """List conversations, newest first."""
        page = app.history.conversations(limit, cursor, permit.caller.tenant)
        return Listing([_view(info) for info in page.items], page.next_cursor)

    @get("/{conversation:str}", sync_to_thread=True, opt=known("read"))
    def show_conversation(self, app: AppPart, permit: PermitPart, conversation: FromPath[str]) -> ConversationWhole:
        """A conversation with everything asked and answered, but for what may no longer be read."""
        record = app.history.conversation(conversation, permit.caller.tenant)
        info = record.info
        answers = [answer_json(answer) for answer in record.answers if permit.may_read(answer)]
        return ConversationWhole(info.id, info.title, info.created_at, info.updated_at, answers)

    @patch("/{conversation:str}", sync_to_thread=True, opt=known("ask"))
    def rename(
        self, app: AppPart, permit: PermitPart, conversation: FromPath[str], data: JSONBody[ConversationChange]
    ) -> ConversationView:
        """Give a conversation another title."""
        tenant = permit.caller.tenant
        app.history.rename_conversation(conversation, data.title, tenant)
        return _view(app.history.conversation(conversation, tenant).info)

    @delete("/{conversation:str}", sync_to_thread=True, opt=known("ask", audit="conversations.delete"))
    def delete_conversation(self, app: AppPart, permit: PermitPart, conversation: FromPath[str]) -> None:
        """Delete a conversation with its answers and traces. Deleting what is gone is no error."""
        app.history.delete_conversation(conversation, permit.caller.tenant)


def _view(info: ConversationInfo) -> ConversationView:
    return ConversationView(info.id, info.title, info.answers, info.created_at, info.updated_at)
