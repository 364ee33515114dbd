"""The engine over the real model, compared with one-at-a-time decoding by the library's own high-level class."""

import asyncio
import subprocess
import sys

import llama_cpp
import numpy as np
import pytest

from rag.errors import ContextTooLong, ModelUnavailable
from rag.llm.decoder import Segment
from rag.llm.generator import GenerationRequest, Message
from rag.llm.llama import LlamaContext
from rag.llm.local import BATCH_TOKENS, open_local_engine
from rag.llm.registry import packaged_model
from tests.rag.engine_scenes import told

pytestmark = pytest.mark.real

# The arithmetic of a batch depends on its shape (other kernels, other order of sums), so where two words are almost
# equally likely another batch may choose the other. How much less likely a chosen word may be, in log-probability:
TOLERANCE = 0.1

QUESTIONS = (
    "What is the capital of France?",
    "Write a haiku about the sea.",
    "Explain in one sentence what a database index is, and why it makes queries faster. " * 8,
    "List three primary colours.",
)


def ask(question, **options):
    messages = (Message("system", "Answer briefly and truthfully."), Message("user", question))
    return GenerationRequest(messages, **{"max_tokens": 24} | options)


@pytest.fixture(scope="module")
def engine():
    # One thread: two threads on a busy machine wait for each other at every layer.
    engine = open_local_engine(packaged_model(), context_tokens=1024, queue=4, threads=1)
    yield engine
    engine.close()


def together(engine, requests):
    async def all_told():
        return await asyncio.gather(*(told(engine.stream(request)) for request in requests))

    return asyncio.run(all_told())


def forget_all(engine):
    engine._slots.drop_idle()


class Reference:
    """One-at-a-time decoding: the library's high-level class, and a context with one sequence that shows its scores."""

    def __init__(self, model):
        path = str(packaged_model())
        self._plain = llama_cpp.Llama(path, n_ctx=1024, n_batch=512, n_threads=1, verbose=False)
        self._context = LlamaContext(model, sequences=1, context_tokens=1024, batch_tokens=512, threads=1)

    def close(self):
        self._plain.close()
        self._context.close()

    def said(self, prompt, tokens):
        """The library's own greedy answer to a prompt, as tokens."""
        self._plain.reset()
        said = []
        for token in self._plain.generate(list(prompt), temp=0.0, top_k=0, top_p=1.0, min_p=0.0, repeat_penalty=1.0):
            if token == self._plain.token_eos() or len(said) == tokens:
                break
            said.append(token)
        return said

    def shortfalls(self, prompt, said):
        """How much less likely than the best word each said word was: (words,) log-probabilities >= 0."""
        self._context.forget(0, 0)
        assert self._context.decode([Segment(0, 0, prompt, True)]) == 0
        row, gaps = len(prompt) - 1, []
        for place, token in enumerate(said):
            logits = self._context.logits(row).astype(np.float64)
            gaps.append(float(logits.max() - logits[token]))
            assert self._context.decode([Segment(0, len(prompt) + place, [token], True)]) == 0
            row = 0
        return np.array(gaps)


@pytest.fixture(scope="module")
def reference(engine):
    reference = Reference(engine._vocabulary)
    yield reference
    reference.close()


def tokens_said(engine, request):
    """Which tokens the engine chose, by the memory of the sequence the answer ran in."""
    prompt = engine.prepare(request).tokens
    held = [view.tokens for view in engine._slots.views() if tuple(view.tokens[: len(prompt)]) == prompt]
    return prompt, max(held, key=len)[len(prompt) :]


def test_streams_together_say_what_each_says_alone(engine, reference):
    requests = [ask(question) for question in QUESTIONS]
    forget_all(engine)
    results = together(engine, requests)
    for request, (text, finished, _) in zip(requests, results, strict=True):
        prompt, said = tokens_said(engine, request)
        gaps = reference.shortfalls(prompt, said)
        assert gaps.max(initial=0.0) <= TOLERANCE
        expected = reference.said(prompt, 24)
        parting = next((n for n, (a, b) in enumerate(zip(said, expected, strict=False)) if a != b), None)
        # The same words up to a place where the other word was practically as likely.
        assert parting is None or reference.shortfalls(prompt, expected[: parting + 1])[-1] <= TOLERANCE
        assert finished.usage.prompt_tokens == len(prompt) == engine.count_tokens(request.messages)
        assert len(text) > 0


@pytest.mark.parametrize("question", [QUESTIONS[0], QUESTIONS[3]])
def test_alone_in_the_engine_the_answer_is_that_of_the_library(engine, reference, question):
    request = ask(question)
    forget_all(engine)
    text, finished, _ = together(engine, [request])[0]
    prompt = engine.prepare(request).tokens
    vocabulary = engine._vocabulary
    assert text == b"".join(vocabulary.piece(token) for token in reference.said(prompt, 24)).decode()
    assert finished.usage.cached_tokens == 0


def test_a_kept_prefix_is_not_decoded_again_and_changes_nothing(engine, reference):
    request = ask(QUESTIONS[2])
    forget_all(engine)
    first, again = (together(engine, [request])[0] for _ in range(2))
    assert again[1].usage.cached_tokens == first[1].usage.prompt_tokens - 1
    assert reference.shortfalls(*tokens_said(engine, request)).max() <= TOLERANCE
    stranger = together(engine, [ask(QUESTIONS[2], tenant="somebody else")])[0]
    assert stranger[1].usage.cached_tokens <= engine.prepare(request).shared < 20


def test_a_seed_repeats_an_answer_and_another_seed_changes_it(engine):
    def drawn(seed):
        forget_all(engine)
        return together(engine, [ask(QUESTIONS[1], temperature=1.2, top_p=0.95, seed=seed)])[0][0]

    assert drawn(7) == drawn(7)
    assert len({drawn(seed) for seed in (7, 8, 9)}) > 1


def test_more_askers_than_sequences_wait_and_are_told_their_place(engine):
    results = together(engine, [ask(f"Count to {n}.", max_tokens=8) for n in range(7)])
    assert all(finished.usage.completion_tokens > 0 for _, finished, _ in results)
    assert max(queued[0].position for _, _, queued in results if queued) == 2


def test_leaving_while_a_long_prompt_is_read_frees_the_sequence(engine):
    async def scene():
        stream = engine.stream(ask("word " * 900, max_tokens=50))
        task = asyncio.create_task(told(stream))
        while not engine._slots.active():  # noqa: ASYNC110 - the thread has no event to wait for
            await asyncio.sleep(0.005)
        task.cancel()
        while engine._slots.active():  # noqa: ASYNC110
            await asyncio.sleep(0.005)

    forget_all(engine)
    asyncio.run(scene())
    assert sum(len(view.tokens) for view in engine._slots.views()) <= 2 * BATCH_TOKENS, "at most two batches were read"


def test_context_too_long_says_both_numbers(engine):
    with pytest.raises(ContextTooLong, match=r"prompt has \d+ tokens and up to 24 .* holds 1024"):
        together(engine, [ask("word " * 1200)])


def test_answers_end_where_the_model_ends_them(engine):
    text, finished, _ = together(engine, [ask("Say yes.", max_tokens=200)])[0]
    assert "<|im_end|>" not in text
    assert finished.reason in ("stop", "length")


def test_a_file_with_damaged_weights_is_refused_and_the_process_lives(tmp_path):
    data = packaged_model().read_bytes()
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(data[: len(data) // 2])
    with pytest.raises(ModelUnavailable, match="cut short"):
        open_local_engine(cut)


def test_the_interpreter_may_end_while_the_engine_works():
    """No crash and no hang when nobody closes the engine, in the middle of an answer."""
    code = """
import asyncio
from rag.llm.generator import GenerationRequest, Message
from rag.llm.local import BATCH_TOKENS, open_local_engine
from rag.llm.registry import packaged_model

engine = open_local_engine(packaged_model(), context_tokens=512, threads=1)
stream = engine.stream(GenerationRequest((Message("user", "Tell me a long story."),), max_tokens=300))

async def first():
    return await anext(stream)

print(asyncio.run(first()).text)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip()
