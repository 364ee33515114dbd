"""Who alone may read a document, where not everyone who reads its collection may. Decides nothing itself."""

from typing import Annotated

from litestar import Controller, get, put
from litestar.params import FromPath, JSONBody
from msgspec import Meta, Struct

from rag.access.readers import ReaderInfo
from rag.api.parts import AppPart, PermitPart
from rag.api.permit import on

Named = Annotated[str, Meta(min_length=1, max_length=200)]
Several = Annotated[list[Named], Meta(max_length=100)]


class ReaderView(Struct):
    """A person or a group, by id. `name` is theirs; empty for a group that was deleted."""

    person: str | None
    group: str | None
    name: str


class ReadersView(Struct):
    """None: whoever reads the collection reads the document. Else these alone, and whoever manages the collection."""

    document: str
    readers: list[ReaderView]


class ReadersWanted(Struct, forbid_unknown_fields=True):
    """The people and groups, by id or name, who alone may read the document; none: whoever reads its collection."""

    people: Several = []
    groups: Several = []


class ReadersController(Controller):
    """`/api/v1/documents/{document}/readers`."""

    path = "/documents/{document:str}/readers"
    tags = ("access",)

    @get(sync_to_thread=True, opt=on("document", "manage"))
    def list_readers(self, app: AppPart, document: FromPath[str]) -> ReadersView:
        """Who alone may read a document and its versions."""
        return _view(app.catalog.document(document).id, app.access.readers.of(document))

    @put(sync_to_thread=True, opt=on("document", "manage"))
    def set_readers(
        self, app: AppPart, permit: PermitPart, document: FromPath[str], data: JSONBody[ReadersWanted]
    ) -> ReadersView:
        """Say who alone may read a document and its versions, instead of who might before.

        They must be able to read its collection too. Running answers that rest on it end within 2 seconds for others.
        """
        by = permit.caller.actor()
        return _view(document, app.access.readers.set(document, by, people=data.people, groups=data.groups))


def _view(document: str, readers: tuple[ReaderInfo, ...]) -> ReadersView:
    return ReadersView(document, [ReaderView(each.person, each.group, each.name) for each in readers])
