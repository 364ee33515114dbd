"""Pages of a document as pictures, and where a passage stands on them. Knows no PDF."""

from typing import Annotated, Final

from litestar import Controller, Response, get
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, QueryParameter
from msgspec import Struct

from ingest.parse.picture import MOST_WIDTH, Picture
from rag.api.parts import AppPart
from rag.api.permit import on
from rag.app import App
from rag.errors import BadRequest, QueueFull

_MOST_SPANS: Final = 20
_RETRY_SECONDS: Final = 5.0

Highlight = Annotated[
    list[str] | None,
    QueryParameter(description="`start,end` in characters of the document's text; the first is the cited part."),
]
Width = Annotated[int, QueryParameter(ge=200, le=MOST_WIDTH, description="In pixels.")]


class BoxView(Struct):
    """A rectangle of highlight number `span` (from 0), its sides as shares of the page's, from the upper left."""

    span: int
    left: float
    top: float
    width: float
    height: float


class BoxesView(Struct):
    """Where passages stand on a page; none when they were not found there for certain."""

    document: str
    page: int
    ratio: float
    boxes: list[BoxView]


class PictureController(Controller):
    """`/api/v1/documents/{document}/pages/{page}`."""

    path = "/documents/{document:str}/pages/{page:int}"
    tags = ("documents",)

    @get(
        sync_to_thread=True,
        opt=on("document"),
        responses={200: ResponseSpec(bytes, description="The page as PNG", media_type="image/png")},
    )
    def picture(
        self,
        app: AppPart,
        document: FromPath[str],
        page: FromPath[int],
        highlight: Highlight = None,
        width: Width = 1200,
    ) -> Response[bytes]:
        """A page of a PDF as a picture, the highlighted passages marked in it."""
        drawn = _drawn(app, document, page, width, highlight)
        headers = {"Content-Security-Policy": "default-src 'none'; sandbox"}
        return Response(drawn.png, media_type="image/png", headers=headers)

    @get("/boxes", sync_to_thread=True, opt=on("document"))
    def boxes(
        self, app: AppPart, document: FromPath[str], page: FromPath[int], highlight: Highlight = None
    ) -> BoxesView:
        """Where the highlighted passages stand on a page; `ratio` is its height over its width."""
        drawn = _drawn(app, document, page, 0, highlight)
        boxes = [BoxView(box.span, box.left, box.top, box.width, box.height) for box in drawn.boxes]
        return BoxesView(document, page, drawn.height / max(1, drawn.width), boxes)


def _drawn(app: App, document: str, page: int, width: int, highlight: list[str] | None) -> Picture:
    spans = [_span(value) for value in highlight or ()]
    if len(spans) > _MOST_SPANS:
        raise BadRequest(f"{len(spans)} highlights are named, but at most {_MOST_SPANS} are marked on a page")
    try:
        return app.pictures.page(app.catalog.document(document), page, width, spans)
    except TimeoutError as error:
        raise QueueFull("too many pages wait to be drawn; ask again in a few seconds", _RETRY_SECONDS) from error


def _span(value: str) -> tuple[int, int]:
    start, comma, end = value.partition(",")
    plain = comma and start.isascii() and start.isdecimal() and end.isascii() and end.isdecimal()
    if not plain or len(value) > 24 or int(start) > int(end):
        raise BadRequest(f"highlight is {value[:40]!r}, but `start,end` in characters was wanted")
    return int(start), int(end)
