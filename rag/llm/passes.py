"""Orders a batch so that llama.cpp computes it in few passes over the weights. Pure: calls no llama.cpp.

With separate memories a pass holds as many tokens of each sequence as the shortest has, and only of sequences whose
numbers follow each other without a gap, in that order. A batch of five answers in the sequences 0, 3, 4, 6 and 7 takes
three passes, and each reads all weights. A gap of a few sequences that rest is therefore filled: a token for each
of them costs less than a pass, and is forgotten at once.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

from rag.llm.decoder import Segment

MOST_FILLED = 2  # resting sequences between two others: beyond that a pass of its own may be cheaper


def in_passes(segments: Sequence[Segment]) -> list[int]:
    """The places of the segments, in the order in which they belong into the batch."""
    return sorted(range(len(segments)), key=lambda place: segments[place].sequence)


def fillers(segments: Sequence[Segment], length: Callable[[int], int], room: int) -> list[Segment]:
    """One token for each resting sequence between two that generate; at most `room`.

    `length` tells how many positions a sequence holds. None that is longer than all of the batch is woken, since the
    longest decides what attention costs in a pass.
    """
    alone = sorted(segment.sequence for segment in segments if len(segment.tokens) == 1)
    busy = {segment.sequence for segment in segments}
    longest = max((segment.start for segment in segments), default=0)
    found: list[Segment] = []
    for before, after in pairwise(alone):
        resting = [sequence for sequence in range(before + 1, after) if sequence not in busy]
        held = [length(sequence) for sequence in resting]
        if len(resting) <= min(MOST_FILLED, room - len(found)) and all(size <= longest for size in held):
            found += [Segment(sequence, size, (0,), False) for sequence, size in zip(resting, held, strict=True)]
    return found
