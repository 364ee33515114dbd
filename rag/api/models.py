"""`/api/v1/models`: the language models, and which version of one speaks. Runs none."""

from dataclasses import asdict, is_dataclass
from typing import Annotated, Any

from litestar import Controller, get, post
from litestar.params import FromPath, JSONBody
from msgspec import Meta, Struct

from rag.api.listing import Listing
from rag.api.parts import AppPart
from rag.api.permit import admins, known
from rag.llm.shelf import ModelEntry


class VersionWanted(Struct, forbid_unknown_fields=True):
    """Which version is to speak."""

    version: Annotated[int, Meta(ge=1)]


class SpeakingView(Struct):
    """A model and the version that speaks from now on; a running server takes it up within seconds."""

    name: str
    version: int


class ModelController(Controller):
    """`/api/v1/models`."""

    path = "/models"
    tags = ("service",)

    @get(sync_to_thread=True, opt=known("read"))
    def list_models(self, app: AppPart) -> Listing[dict[str, Any]]:
        """The language models that may answer, and which one does when a question names none."""
        return Listing([_plain(model) for model in app.models.describe()], None)

    @post("/{model:str}/promote", status_code=200, sync_to_thread=True, opt=admins(audit="models.promote"))
    def promote(self, app: AppPart, model: FromPath[str], data: JSONBody[VersionWanted]) -> SpeakingView:
        """Let a version of a local model speak."""
        return _view(app.models.shelf.promote(model, data.version))

    @post("/{model:str}/rollback", status_code=200, sync_to_thread=True, opt=admins(audit="models.rollback"))
    def roll_back(self, app: AppPart, model: FromPath[str]) -> SpeakingView:
        """Return to the version of a local model that spoke before."""
        return _view(app.models.shelf.roll_back(model))


def _view(entry: ModelEntry) -> SpeakingView:
    return SpeakingView(entry.name, entry.current.version)


def _plain(model: Any) -> dict[str, Any]:
    return asdict(model) if is_dataclass(model) and not isinstance(model, type) else dict(model)
