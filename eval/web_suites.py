"""`/api/v1/suites`: suites and their cases, made and changed by evaluators. Asks nothing.

What may be seen: suites over collections all of whose documents the caller may read, since a run asks them all.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from litestar import Controller, Response, delete, get, patch, post, put
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody
from msgspec import UNSET, Meta, Struct, UnsetType, to_builtins

from eval.datasets import Case
from eval.suite_files import rows_of, suite_yaml
from eval.suite_shelf import SuiteInfo, SuiteShelf
from eval.web_room import ERRORS, PARTS, visible_suite
from rag.access.errors import NotAllowed
from rag.api.listing import Cursor, Limit, Listing, slice_page
from rag.api.parts import PermitPart
from rag.api.permit import Permit, reviewers

Name = Annotated[str, Meta(min_length=1, max_length=200)]
Text = Annotated[str, Meta(max_length=4000)]
Texts = Annotated[list[Text], Meta(max_length=50)]


class SuiteView(Struct):
    """A suite; `collection` (id) is where its `cases` (a count) are asked."""

    id: str
    name: str
    description: str
    collection: str
    cases: int
    created_at: datetime
    updated_at: datetime


class NewSuite(Struct, forbid_unknown_fields=True):
    """What a new suite is called, and the collection, by id or name, that it asks."""

    name: Name
    collection: str
    description: Text = ""


class SuiteChange(Struct, forbid_unknown_fields=True):
    """What is to be different; absent fields stay."""

    name: Name | UnsetType = UNSET
    description: Text | UnsetType = UNSET


class SpanView(Struct, forbid_unknown_fields=True):
    """Words that answer, and the name of the document they stand in."""

    document: Text
    text: Text


class CaseBody(Struct, forbid_unknown_fields=True):
    """A question and what a right answer to it looks like. Any one of `answers` will do; every fact must be said."""

    question: Annotated[str, Meta(min_length=1, max_length=4000)]
    kind: Literal["answerable", "unanswerable", "offtopic"] = "answerable"
    answers: Texts = []
    facts: Texts = []
    spans: Annotated[list[SpanView], Meta(max_length=50)] = []
    must_cite: Texts = []
    must_not_say: Texts = []
    tags: Texts = []


class NewCase(CaseBody, forbid_unknown_fields=True):
    """A case to come; without an id it gets one."""

    id: Annotated[str, Meta(max_length=100, pattern="^[A-Za-z0-9._:-]*$")] = ""


class CaseView(CaseBody):
    """A case with its id."""

    id: str = ""


class Imported(Struct, forbid_unknown_fields=True):
    """A suite's file: JSON lines or YAML."""

    text: Annotated[str, Meta(min_length=1, max_length=900_000)]


class Count(Struct):
    """How many cases came."""

    cases: int


class SuiteController(Controller):
    """`/api/v1/suites`."""

    path = "/api/v1/suites"
    tags = ("evaluation",)
    exception_handlers = ERRORS
    dependencies = PARTS

    @get(sync_to_thread=True, opt=reviewers())
    def list_suites(self, permit: PermitPart, limit: Limit = 100, cursor: Cursor = None) -> Listing[SuiteView]:
        """List suites by name."""
        items, following = slice_page(suites_of(permit), limit, cursor)
        return Listing([_view(info) for info in items], following)

    @post(sync_to_thread=True, opt=reviewers("write", audit="suites.create"))
    def create_suite(self, permit: PermitPart, data: JSONBody[NewSuite]) -> SuiteView:
        """Make an empty suite over a collection."""
        collection = permit.collection(data.collection).id
        if not permit.whole(collection):
            raise NotAllowed("a suite asks all of its collection, and you may not read every document; ask an admin")
        return _view(_shelf(permit).create(data.name.strip() or data.name, collection, data.description))

    @get("/{suite:str}", sync_to_thread=True, opt=reviewers())
    def show_suite(self, permit: PermitPart, suite: FromPath[str]) -> SuiteView:
        """Show one suite by id or name."""
        return _view(visible_suite(permit, suite))

    @patch("/{suite:str}", sync_to_thread=True, opt=reviewers("write", audit="suites.change"))
    def change_suite(self, permit: PermitPart, suite: FromPath[str], data: JSONBody[SuiteChange]) -> SuiteView:
        """Give a suite another name or description."""
        info = visible_suite(permit, suite)
        name, description = (None if value is UNSET else value for value in (data.name, data.description))
        return _view(_shelf(permit).change(info.id, name, description))

    @delete("/{suite:str}", sync_to_thread=True, opt=reviewers("write", audit="suites.delete"))
    def delete_suite(self, permit: PermitPart, suite: FromPath[str]) -> None:
        """Delete a suite with its cases. Its runs stay."""
        _shelf(permit).delete(visible_suite(permit, suite).id)

    @get("/{suite:str}/cases", sync_to_thread=True, opt=reviewers())
    def list_cases(
        self, permit: PermitPart, suite: FromPath[str], limit: Limit = 100, cursor: Cursor = None
    ) -> Listing[CaseView]:
        """List the cases of a suite in the order in which they were made."""
        items, following = slice_page(_shelf(permit).cases(visible_suite(permit, suite).id), limit, cursor)
        return Listing([case_view(case) for case in items], following)

    @post("/{suite:str}/cases", sync_to_thread=True, opt=reviewers("write", audit="suites.case"))
    def add_case(self, permit: PermitPart, suite: FromPath[str], data: JSONBody[NewCase]) -> CaseView:
        """Put a case into a suite."""
        return case_view(_shelf(permit).add(visible_suite(permit, suite).id, [_row(data)])[0])

    @put("/{suite:str}/cases/{case:str}", sync_to_thread=True, opt=reviewers("write", audit="suites.case"))
    def change_case(
        self, permit: PermitPart, suite: FromPath[str], case: FromPath[str], data: JSONBody[CaseBody]
    ) -> CaseView:
        """Change a case."""
        return case_view(_shelf(permit).put(visible_suite(permit, suite).id, case, _row(data)))

    @delete("/{suite:str}/cases/{case:str}", sync_to_thread=True, opt=reviewers("write", audit="suites.uncase"))
    def remove_case(self, permit: PermitPart, suite: FromPath[str], case: FromPath[str]) -> None:
        """Take a case out of a suite. Taking out what is gone is no error."""
        _shelf(permit).remove(visible_suite(permit, suite).id, case)

    @post("/{suite:str}/import", sync_to_thread=True, status_code=200, opt=reviewers("write", audit="suites.import"))
    def take_in(self, permit: PermitPart, suite: FromPath[str], data: JSONBody[Imported]) -> Count:
        """Put the cases of a suite's file into a suite: all of them or none."""
        info = visible_suite(permit, suite)
        # They are asked in the collection of the suite, whatever the file says.
        rows = [
            {key: value for key, value in row.items() if key != "collection"} for row in rows_of(data.text, "the file")
        ]
        return Count(len(_shelf(permit).add(info.id, rows)))

    @get(
        "/{suite:str}/export",
        sync_to_thread=True,
        opt=reviewers(audit="suites.export"),
        responses={200: ResponseSpec(str, description="The suite as YAML", media_type="application/yaml")},
    )
    def export(self, permit: PermitPart, suite: FromPath[str]) -> Response[Any]:
        """A suite as the YAML file that `footnote eval run` reads."""
        info = visible_suite(permit, suite)
        text = suite_yaml(_shelf(permit).cases(info.id))
        headers = {"Content-Disposition": f'attachment; filename="{info.id}.yaml"'}
        return Response(text.encode(), media_type="application/yaml", headers=headers)


def suites_of(permit: Permit) -> list[SuiteInfo]:
    """The suites that the caller may see, by name."""
    return [info for info in _shelf(permit).suites() if permit.whole(info.collection)]


def case_view(case: Case) -> CaseView:
    """A case as clients see it."""
    return CaseView(
        id=case.id,
        question=case.question,
        kind=case.kind,
        answers=list(case.answers),
        facts=list(case.facts),
        spans=[SpanView(span.document, span.text) for span in case.spans],
        must_cite=list(case.must_cite),
        must_not_say=list(case.must_not_say),
        tags=list(case.tags),
    )


def _row(data: CaseBody) -> Mapping[str, Any]:
    row: dict[str, Any] = to_builtins(data)
    return {name: value for name, value in row.items() if value}


def _shelf(permit: Permit) -> SuiteShelf:
    return SuiteShelf(permit.app.database)


def _view(info: SuiteInfo) -> SuiteView:
    times = (info.created_at, info.updated_at)
    return SuiteView(info.id, info.name, info.description, info.collection, info.cases, *times)
