"""`POST /api/v1/search`: passages with the scores of every stage, no generation."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from litestar import post
from litestar.params import JSONBody
from msgspec import Meta, Struct

from index.filters import parse_filters
from index.passage import Passage
from rag.api.choosing import Question, chosen_collections
from rag.api.parts import AppPart, PermitPart
from rag.api.permit import known


class SearchRequest(Struct, forbid_unknown_fields=True):
    """What to find and where. `exact` compares with every vector; `per_document` is the most passages of one document.

    With `operators`, "quoted phrases", -excluded words and title:beginnings in the question mean what they say.
    """

    question: Question
    collection: str | None = None
    collections: list[str] | None = None
    k: Annotated[int, Meta(ge=1, le=1000)] = 10
    mode: Literal["hybrid", "dense", "lexical"] = "hybrid"
    filters: dict[str, Any] | None = None
    exact: bool = False
    operators: bool = False
    per_document: Annotated[int, Meta(ge=1, le=1000)] | None = None


class PassageView(Struct, omit_defaults=True):
    """A passage: `text` is exactly the document's text at [start, end). Larger scores are more alike."""

    document: str
    collection: str
    version: int
    name: str
    title: str
    heading: str
    start: int
    end: int
    text: str
    score: float
    stages: Mapping[str, float]
    metadata: Mapping[str, Any]
    page: int | None = None
    line: int | None = None
    ocr: bool = False


class DroppedView(Struct):
    """A candidate that was found and not returned, with what each stage thought of it."""

    chunk: int
    reason: str
    score: float
    stages: Mapping[str, float]


class SearchView(Struct):
    """Passages, best first. `applied_seq` is the moment of the corpus they were found in; `ms` is per stage.

    `relaxed` are quoted phrases that no passage holds, so that they counted as words.
    """

    passages: list[PassageView]
    dropped: list[DroppedView]
    applied_seq: int
    ms: Mapping[str, float]
    relaxed: tuple[str, ...] = ()


@post("/search", status_code=200, sync_to_thread=True, opt=known("ask", audit="search"), tags=["search"])
def search(app: AppPart, permit: PermitPart, data: JSONBody[SearchRequest]) -> SearchView:
    """Find the passages nearest to a question in one or more collections."""
    chosen = chosen_collections(permit, data.collection, data.collections)
    permit.told["object"] = {"collections": ",".join(chosen)}
    result = app.searcher.search(
        data.question,
        collections=chosen,
        k=data.k,
        filters=permit.sight.filters(chosen, parse_filters(data.filters) if data.filters else None),
        mode=data.mode,
        exact=data.exact,
        per_document=data.per_document,
        operators=data.operators,
    )
    permit.drawn |= {passage.document for passage in result.passages}
    permit.look_again()
    return SearchView(
        passages=[_passage_view(passage) for passage in result.passages if passage.collection in chosen],
        dropped=[
            DroppedView(dropped.chunk, dropped.reason, dropped.score, dropped.stages) for dropped in result.dropped
        ],
        applied_seq=result.applied_seq,
        ms=result.ms,
        relaxed=result.relaxed,
    )


def _passage_view(passage: Passage) -> PassageView:
    same = {name: getattr(passage, name) for name in PassageView.__struct_fields__ if name != "ocr"}
    return PassageView(**same, ocr=passage.recognised)
