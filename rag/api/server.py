"""The HTTP application: every route, the error handlers and the guard around them. Builds no part of the service."""

import asyncio
import logging
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, Final

from litestar import Litestar, Request, Router
from litestar.datastructures import State
from litestar.di import Provide

from rag.api.answers import AnswerController
from rag.api.ask import ask
from rag.api.audit import AuditController
from rag.api.collections import CollectionController
from rag.api.configuration import list_settings
from rag.api.conversations import ConversationController
from rag.api.docs import openapi_config
from rag.api.documents import CollectionDocumentsController, DocumentController
from rag.api.feedback import AnswerFeedbackController, FeedbackController
from rag.api.gate import Gate
from rag.api.grants import GrantController, KeyController
from rag.api.guard import Guard
from rag.api.health import live, metrics, ready
from rag.api.jobs import BatchController, JobController
from rag.api.models import ModelController
from rag.api.openai import OpenAIController, openai_error
from rag.api.people import GroupController, PeopleController
from rag.api.permit import admit, provide_permit
from rag.api.pictures import PictureController
from rag.api.problems import problem_response
from rag.api.readers import ReadersController
from rag.api.running import RunningAnswers
from rag.api.search import search
from rag.api.second_factor import CodesController
from rag.api.session import SessionController
from rag.api.sync import SyncController
from rag.api.usage import usage
from rag.app import App
from rag.web.pages import create_page_router

logger = logging.getLogger(__name__)

MOST_BODY_BYTES: Final = 1024 * 1024  # of everything but uploads and the OpenAI protocol
_THREADS: Final = 32  # blocking work: SQL, files, search. The loop's own default is 6 on two cores.

_API: Final = (
    CollectionController,
    CollectionDocumentsController,
    DocumentController,
    SyncController,
    PictureController,
    JobController,
    BatchController,
    search,
    ask,
    AnswerController,
    AnswerFeedbackController,
    FeedbackController,
    ConversationController,
    SessionController,
    CodesController,
    PeopleController,
    GroupController,
    GrantController,
    ReadersController,
    KeyController,
    AuditController,
    usage,
    ModelController,
    list_settings,
    live,
    ready,
    metrics,
)


def create_server(app: App) -> Litestar:
    """The application over parts that are built. Its lifespan stops running answers; the parts stay the caller's."""
    return put_over(create_routes(), app)


def create_routes() -> Litestar:
    """Every route, over no parts yet: litestar takes a fifth of a second to make them."""
    api = Router("/api/v1", route_handlers=_API)
    openai = Router("/", route_handlers=[OpenAIController], exception_handlers={Exception: openai_error})
    server = Litestar(
        route_handlers=[api, openai, create_page_router()],
        dependencies={
            "app": Provide(_provide_app, sync_to_thread=False),
            "permit": Provide(provide_permit, sync_to_thread=False),
            "running": Provide(_provide_running, sync_to_thread=False),
        },
        guards=[admit],
        exception_handlers={Exception: problem_response},
        openapi_config=openapi_config(),
        request_max_body_size=MOST_BODY_BYTES,
        lifespan=[_lifespan],
        logging_config=None,
    )
    server.state.routed = server.asgi_handler
    return server


def put_over(server: Litestar, app: App) -> Litestar:
    """The same routes over these parts. Only while its lifespan does not run."""
    settings = app.settings
    # Around everything, also around what no route matches: litestar's own middleware begins only behind the router.
    routed = server.state.routed
    gate = Gate(routed, app)
    server.asgi_handler = Guard(gate, settings.server_allowed_hosts)
    server.state = State(  # a new one: nothing of the parts before is left
        {
            "routed": routed,
            "gate": gate,
            "app": app,
            "running": RunningAnswers(settings.server_answers, settings.server_linger_seconds, app.answerer.stop),
            "closing": [],  # what routes of rooms above this one have running
        },
        deep_copy=False,
    )
    return server


@asynccontextmanager
async def _lifespan(server: Litestar) -> AsyncIterator[None]:
    pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="http")
    asyncio.get_running_loop().set_default_executor(pool)
    watching = asyncio.create_task(server.state.gate.watch(), name="watch-permits")
    yield
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    for close in server.state.closing:
        await close()
    await server.state.running.close()


def _provide_app(request: Request[Any, Any, Any]) -> App:
    found: App = request.app.state.app
    return found


def _provide_running(request: Request[Any, Any, Any]) -> RunningAnswers:
    found: RunningAnswers = request.app.state.running
    return found
