"""What people say of answers, and the queue in which evaluators look at it. Knows nothing of how an answer is made."""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Final

import msgspec
from litestar import Controller, delete, get, patch, put
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from litestar.response import Stream
from msgspec import Meta, Struct

from rag.api.listing import Cursor, Limit, Listing
from rag.api.parts import AppPart, PermitPart
from rag.api.permit import Permit, on, reviewers
from rag.app import App
from rag.errors import NoSuchFeedback
from rag.review import FeedbackInfo, Opinion, Rating, Reason, State, case_of

_PAGE: Final = 200
Words = Annotated[str, Meta(max_length=4000)]


class NewOpinion(Struct, forbid_unknown_fields=True):
    """Thumbs up or down, why, and the answer it should have been."""

    rating: Rating
    reason: Reason = ""
    comment: Words = ""
    better: Words = ""


class Settled(Struct, forbid_unknown_fields=True):
    """How far the look at it is."""

    state: State


class FeedbackView(Struct):
    """An opinion with the answer that it is about. `name` is who gave it; empty without accounts."""

    id: str
    answer: str
    name: str
    rating: Rating
    reason: str
    comment: str
    better: str
    state: State
    question: str
    text: str
    status: str
    collections: list[str]
    created_at: datetime
    updated_at: datetime


class AnswerFeedbackController(Controller):
    """`/api/v1/answers/{answer}/feedback`."""

    path = "/answers/{answer:str}/feedback"
    tags = ("feedback",)

    @put(sync_to_thread=True, opt=on("answer", scope="ask", audit="feedback.give"))
    def give(self, app: AppPart, permit: PermitPart, answer: FromPath[str], data: JSONBody[NewOpinion]) -> FeedbackView:
        """Say what an answer was worth, instead of what one said of it before."""
        opinion = Opinion(data.rating, data.reason, data.comment.strip(), data.better.strip())
        permit.told["rating"] = data.rating
        return _view(app.review.give(answer, permit.caller.person, opinion), permit.caller.name)

    @delete(sync_to_thread=True, opt=on("answer", scope="ask"))
    def take_back(self, app: AppPart, permit: PermitPart, answer: FromPath[str]) -> None:
        """Take back what one said of an answer. What was never said is no error."""
        app.review.take_back(answer, permit.caller.person)


class FeedbackController(Controller):
    """`/api/v1/feedback`."""

    path = "/feedback"
    tags = ("feedback",)

    @get(sync_to_thread=True, opt=reviewers())
    def list_feedback(
        self,
        app: AppPart,
        permit: PermitPart,
        limit: Limit = 50,
        cursor: Cursor = None,
        feedback_state: Annotated[State | None, QueryParameter(name="state")] = None,
        rating: FromQuery[Rating | None] = None,
    ) -> Listing[FeedbackView]:
        """What people said of answers from collections that the caller may read, newest first."""
        page = app.review.opinions(limit, cursor, feedback_state, rating)
        names = {person.id: person.name for person in app.access.people.people()}
        seen = [_view(info, names.get(info.person, "")) for info in permit.readable_answers(page.items)]
        return Listing(seen, page.next_cursor)

    @get(
        "/export",
        sync_to_thread=True,
        opt=reviewers(audit="feedback.export"),
        responses={200: ResponseSpec(str, description="JSON lines of a suite", media_type="application/x-ndjson")},
    )
    def export(self, app: AppPart, permit: PermitPart) -> Stream:
        """The open ones as cases of a suite: those with a better answer, and those whose answer was invented."""
        lines = list(_cases(app, permit))
        headers = {"Content-Disposition": 'attachment; filename="review.jsonl"'}
        return Stream(iter(lines), media_type="application/x-ndjson", headers=headers)

    @patch("/{feedback:str}", sync_to_thread=True, opt=reviewers(audit="feedback.settle"))
    def settle(
        self, app: AppPart, permit: PermitPart, feedback: FromPath[str], data: JSONBody[Settled]
    ) -> FeedbackView:
        """Say that it was looked at."""
        info = app.review.opinion(feedback)
        if not permit.readable_answers([info]):
            raise NoSuchFeedback(
                f"there is no feedback {feedback!r}; it may have been taken back or deleted with its answer"
            )
        return _view(app.review.settle(feedback, data.state), "")


def _cases(app: App, permit: Permit) -> Iterator[bytes]:
    names = {info.id: info.name for info in app.catalog.collections()}
    cursor: str | None = None
    while True:
        page = app.review.opinions(_PAGE, cursor, "open")
        for info in permit.readable_answers(page.items):
            case = case_of(info, names.get(info.collections[0]))
            if case is not None:
                yield msgspec.json.encode(case) + b"\n"
        cursor = page.next_cursor
        if cursor is None:
            return


def _view(info: FeedbackInfo, name: str) -> FeedbackView:
    opinion = info.opinion
    return FeedbackView(
        id=info.id,
        answer=info.answer,
        name=name,
        rating=opinion.rating,
        reason=opinion.reason,
        comment=opinion.comment,
        better=opinion.better,
        state=info.state,
        question=info.question,
        text=info.text,
        status=info.status,
        collections=list(info.collections),
        created_at=info.created_at,
        updated_at=info.updated_at,
    )
