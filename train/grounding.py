"""Trains the grounding network: `python -m train.grounding TRAIN_DATA OUT_FOLDER`. Knows no service.

On Linux set MALLOC_MMAP_THRESHOLD_ and MALLOC_TRIM_THRESHOLD_ to 4294967296 first: a quarter faster.

Data statement: the files named in `train/examples.py` (SQuAD 1.1/2.0 parts, Natural Questions, QED, BioASQ, SelQA,
FEVER, Fool Me Twice, MNLI, SNLI, MED, ConjNLI, WiCE, SciFact, citation integrity, EntailmentBank, ConTRoL), with
altered questions made by rule. Encoder: all-MiniLM-L6-v2 (Apache-2.0).
"""

import argparse
import itertools
import json
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer

from index.embedder_model import PACKAGED_NAMES, find_model
from rag.reader import MAX_TOKENS
from rag.reader_network import GroundingNetwork
from train.examples import Example, checking_examples, reading_examples

BATCH_TOKENS = 4096
ENCODER = find_model(PACKAGED_NAMES[0])


@dataclass(frozen=True, slots=True)
class Row:
    """A tokenised example. Positions count tokens; `start` 0 means no span."""

    ids: list[int]
    kinds: list[int]
    start: int
    end: int
    answerable: float  # -1: does not count
    supported: float  # -1: does not count


def tokenise(example: Example, tokenizer: Tokenizer, rng: random.Random) -> Row | None:
    """Cut the second text to a window around its span; None when the span is lost."""
    encoding = tokenizer.encode(example.first, example.second)
    ids, kinds, offsets = encoding.ids, encoding.type_ids, encoding.offsets
    body = kinds.index(1) if 1 in kinds else len(ids) - 1
    if body > 96:
        return None
    start = end = 0
    if example.start >= 0:
        inside = [i for i in range(body, len(ids) - 1) if offsets[i][0] < example.end and offsets[i][1] > example.start]
        if not inside:
            return None
        start, end = inside[0], inside[-1]
    room = MAX_TOKENS - body - 1
    if len(ids) - 1 - body > room:
        last = len(ids) - 1 - room
        low, high = body, last
        if start:
            low, high = max(body, end - room + 1), min(last, start)
            if low > high:
                return None
        cut = rng.randint(low, high) if start else body
        ids = ids[:body] + ids[cut : cut + room] + ids[-1:]
        kinds = kinds[:body] + [1] * (room + 1)
        if start:
            start, end = start - cut + body, end - cut + body
    answerable = -1.0 if example.answerable is None else float(example.answerable)
    supported = -1.0 if example.supported is None else float(example.supported)
    return Row(ids, kinds, start, end, answerable, supported)


def batches(rows: list[Row], rng: random.Random) -> Iterator[list[Row]]:
    """Batches of like length under a token budget, in random order."""
    order = sorted(rows, key=lambda row: len(row.ids) + rng.random() * 24)
    cut: list[list[Row]] = [[]]
    for row in order:
        if cut[-1] and len(row.ids) * (len(cut[-1]) + 1) > BATCH_TOKENS:
            cut.append([])
        cut[-1].append(row)
    rng.shuffle(cut)
    yield from cut


def collate(rows: list[Row]) -> dict[str, torch.Tensor]:
    """Pad to (n, t)."""
    length = max(len(row.ids) for row in rows)

    def pad(values: list[list[int]]) -> torch.Tensor:
        return torch.tensor([row + [0] * (length - len(row)) for row in values])

    return {
        "input_ids": pad([r.ids for r in rows]),
        "attention_mask": pad([[1] * len(r.ids) for r in rows]),
        "token_type_ids": pad([r.kinds for r in rows]),
        "start": torch.tensor([r.start for r in rows]),
        "end": torch.tensor([r.end for r in rows]),
        "answerable": torch.tensor([r.answerable for r in rows]),
        "supported": torch.tensor([r.supported for r in rows]),
    }


def loss_of(network: GroundingNetwork, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """Sum of the heads' losses over the rows that each head knows."""
    span, answerable, supported = network(batch["input_ids"], batch["attention_mask"], batch["token_type_ids"])
    span = span.float().masked_fill(batch["attention_mask"].unsqueeze(-1) == 0, -1e4)
    reading = (batch["answerable"] == 0) | (batch["start"] > 0)
    total = span.new_zeros(())
    if reading.any():
        total = total + torch.nn.functional.cross_entropy(span[reading, :, 0], batch["start"][reading]) / 2
        total = total + torch.nn.functional.cross_entropy(span[reading, :, 1], batch["end"][reading]) / 2
    for logits, target in ((answerable, batch["answerable"]), (supported, batch["supported"])):
        known = target >= 0
        if known.any():
            total = total + torch.nn.functional.binary_cross_entropy_with_logits(logits[known].float(), target[known])
    return total


def train(data: Path, out: Path, epochs: float, rate: float, seed: int) -> None:
    """Fine-tune all weights above the word embeddings."""
    rng = random.Random(seed)
    torch.manual_seed(seed)
    tokenizer = Tokenizer.from_file(str(ENCODER / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    examples = reading_examples(data, rng) + checking_examples(data, rng)
    rng.shuffle(examples)
    rows = [row for row in (tokenise(e, tokenizer, rng) for e in examples) if row]
    print(f"{len(rows)} rows, {sum(len(r.ids) for r in rows)} tokens", flush=True)
    network = GroundingNetwork(ENCODER)
    network.train()
    for module in network.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0  # its random numbers cost a third of the time, and no row is seen often
    network.encoder.embeddings.requires_grad_(False)
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=rate, weight_decay=0.01, fused=True)
    steps = int(epochs * sum(1 for _ in batches(rows, random.Random(0))))
    warm_up = max(1, steps // 15)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda s: min((s + 1) / warm_up, max(0.02, (steps - s) / (steps - warm_up + 1)))
    )
    out.mkdir(parents=True, exist_ok=True)
    began, running = time.monotonic(), 0.0
    for done, chosen in enumerate(itertools.islice(endless(rows, rng), steps), start=1):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = loss_of(network, collate(chosen))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        schedule.step()
        running = loss.item() if done == 1 else 0.98 * running + 0.02 * loss.item()
        if done % 50 == 0:
            print(f"step {done}/{steps} loss {running:.3f} {time.monotonic() - began:.0f} s", flush=True)
        if done % 200 == 0 or done == steps:
            network.store(out / "grounding.safetensors")
    about = {"rows": len(rows), "epochs": epochs, "steps": steps, "rate": rate, "seed": seed}
    (out / "training.json").write_text(json.dumps(about))


def endless(rows: list[Row], rng: random.Random) -> Iterator[list[Row]]:
    """Batches of one epoch after the other."""
    while True:
        yield from batches(rows, rng)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--epochs", type=float, default=1.4)
    parser.add_argument("--rate", type=float, default=1.2e-4)
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    train(given.data, given.out, given.epochs, given.rate, given.seed)
