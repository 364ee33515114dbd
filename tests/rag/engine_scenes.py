"""An engine over a decoder whose text betrays every slip (see ByteModel), and what scenes with it share. No test."""

import asyncio
import contextlib
import time

from rag.llm.engine import LocalEngine
from rag.llm.generator import Finished, GenerationRequest, Message, Queued, TextDelta
from rag.llm.template import CHATML, ChatTemplate
from rag.llm.tokens import PromptMaker
from tests.fakes import ByteModel


@contextlib.contextmanager
def engine_over(model, **options):
    engine = LocalEngine("bytes", model, model, PromptMaker(model, ChatTemplate(CHATML)), **options)
    try:
        yield engine
    finally:
        engine.close()
        assert model.open_samplers == 0


def ask(question="Why?", *, system="Be brief.", **options):
    return GenerationRequest((Message("system", system), Message("user", question)), **{"max_tokens": 40} | options)


async def told(stream):
    """(text, finished, queued events)"""
    text, queued, finished = "", [], None
    async for event in stream:
        match event:
            case TextDelta(text=more):
                text += more
            case Queued():
                queued.append(event)
            case Finished():
                finished = event
    return text, finished, queued


def alone(request, *, ends=True):
    """What the model says to this request: the slow right answer, with no engine at all."""
    model = ByteModel()
    tokens = list(PromptMaker(model, ChatTemplate(CHATML)).prompt(request.messages).tokens)
    said = []
    while len(said) < request.max_tokens:
        token = ByteModel.following(tokens + said)
        if token == ByteModel.END and ends:
            break
        said.append(ord("e") if token == ByteModel.END else token)
    return bytes(said).decode()


async def eventually(condition, seconds=60.0):
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "it never happened"
        await asyncio.sleep(0.002)


def busy(engine):
    return len(engine._slots.active())
