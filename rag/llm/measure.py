"""How fast one model file is on this machine, and how well it foretells a text. Compares nothing, keeps nothing.

Speeds are made of the quickest of several tries of each single batch: on a machine that others use too, that is
the figure nearest to what the file can do. With one thread, the seconds are those this thread had a processor for, so
that even a busy machine compares files fairly.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from rag.errors import BadRequest
from rag.llm.decoder import Segment
from rag.llm.llama import LlamaContext, LlamaModel

PROMPT, WORDS, STREAMS = 256, 16, 4  # tokens of a prompt, words after it, answers at once
WINDOW = 256  # tokens of a text that are foretold in one go
MOST_FORETOLD = 1024  # tokens
BATCH = 128  # tokens, as the engine decodes
_CONTEXT = PROMPT + 256
Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Speed:
    """Tokens per second: reading a prompt, writing one answer, writing several at once (all together)."""

    prefill: float
    decode: float
    together: float

    def seconds(self, prompt: int = 300, words: int = 48) -> float:
        """How long an answer takes: a prompt read, then words that come half alone, half beside others."""
        return prompt / self.prefill + words * (0.5 / self.decode + 0.5 * STREAMS / self.together)


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured of one file. Perplexity: lower is better; equal texts give comparable figures."""

    speed: Speed
    perplexity: float

    def figures(self) -> dict[str, float]:
        """Rounded, as they are kept and shown."""
        found = {f"{name}_tokens_per_second": value for name, value in asdict(self.speed).items()}
        found |= {"seconds_per_answer": self.speed.seconds(), "perplexity": self.perplexity}
        return {name: round(value, 4) for name, value in found.items()}


def measure(path: Path, text: str, *, threads: int, rounds: int = 3) -> Measured:
    """Load a file and measure it. Raises ModelUnavailable, or BadRequest if the text is too short to judge by."""
    model = LlamaModel(path)
    context = LlamaContext(model, sequences=STREAMS, context_tokens=_CONTEXT, batch_tokens=BATCH, threads=threads)
    try:
        tokens = model.tokenize(text)[:MOST_FORETOLD]
        if len(tokens) < 2 * BATCH:
            raise BadRequest(f"the text has {len(tokens)} tokens, but at least {2 * BATCH} are wanted to judge by")
        perplexity = foretell(context, tokens)
        clock = time.thread_time if threads == 1 else time.perf_counter
        return Measured(speed(context, tokens, rounds, clock), perplexity)
    finally:
        context.close()


def foretell(context: LlamaContext, tokens: Sequence[int]) -> float:
    """Perplexity of a text in windows; the first quarter of each window is context only."""
    losses: list[float] = []
    for start in range(0, len(tokens) - 1, WINDOW):
        window = tokens[start : start + WINDOW]
        context.forget(0, 0)
        for begin in range(0, len(window) - 1, BATCH):
            batch = window[begin : begin + BATCH]
            _decoded(context, [Segment(0, begin + n, [token], True) for n, token in enumerate(batch)])
            for row, following in enumerate(window[begin + 1 : begin + 1 + len(batch)]):
                if begin + row >= WINDOW // 4:
                    losses.append(_loss(context, row, following))
    context.forget(0, 0)
    if not losses:
        raise BadRequest("the text is too short to judge by")
    return float(np.exp(np.mean(losses)))


def speed(context: LlamaContext, tokens: Sequence[int], rounds: int, clock: Clock = time.perf_counter) -> Speed:
    """The same work `rounds` times over. `tokens` fill the prompt, repeated as need be."""

    def timed(segments: Sequence[Segment]) -> float:
        began = clock()
        _decoded(context, segments)
        return clock() - began

    prompt = [tokens[n % len(tokens)] for n in range(PROMPT)]
    read, alone, together = [], [], []
    for _ in range(rounds):
        context.forget(0, 0)
        starts = range(0, PROMPT, BATCH)
        read.append([timed([Segment(0, at, prompt[at : at + BATCH], True)]) for at in starts])
        alone.append([timed([Segment(0, PROMPT + n, prompt[n : n + 1], True)]) for n in range(WORDS)])
        for sequence in range(1, STREAMS):
            context.copy(0, sequence, PROMPT)
        context.forget(0, PROMPT)
        together.append(
            [timed([Segment(s, PROMPT + n, prompt[n : n + 1], True) for s in range(STREAMS)]) for n in range(WORDS)]
        )
        for sequence in range(STREAMS):
            context.forget(sequence, 0)
    return Speed(PROMPT / _quickest(read), WORDS / _quickest(alone), WORDS * STREAMS / _quickest(together))


def _quickest(tries: Sequence[Sequence[float]]) -> float:
    return float(np.array(tries).min(axis=0).sum())


def _decoded(context: LlamaContext, segments: Sequence[Segment]) -> None:
    result = context.decode(segments)
    if result != 0:
        raise BadRequest(f"the model cannot decode the text to measure by (it gave {result}); give another text")


def _loss(context: LlamaContext, row: int, following: int) -> float:
    logits = context.logits(row).astype(np.float64)
    top = float(logits.max())
    return top + float(np.log(np.exp(logits - top).sum())) - float(logits[following])
