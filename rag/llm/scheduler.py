"""Decides where a request goes and what the next batch holds. Pure: values in, values out; knows no model, no threads.

Words: a *slot* is one sequence of the model's memory. It keeps the tokens of its last answer until another needs
it, so that a later prompt beginning the same way is not decoded again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

WORTH_COPYING = 48  # tokens: below this, decoding again is about as fast as copying a sequence's memory
MOST_BITTEN, LEAST_BITTEN = 64, 16  # tokens, while one prompt is read beside running answers
BLINK_SECONDS = 0.15
MOST_BLINKS = 4
NEARLY_EQUAL = 16  # tokens: prefixes that differ by less are equally good


@dataclass(frozen=True, slots=True)
class SlotView:
    """One sequence as it stands. `shared`: leading tokens that any tenant may reuse. Larger `used` is more recent."""

    sequence: int
    busy: bool
    tokens: Sequence[int]
    tenant: str
    shared: int
    used: int


@dataclass(frozen=True, slots=True)
class Placement:
    """Put the prompt into `sequence`; its first `keep` tokens are there once `source`, if any, is copied over it."""

    sequence: int
    keep: int
    source: int | None


@dataclass(frozen=True, slots=True)
class Want:
    """A running answer's tokens that are not decoded yet: 1 when it generates, more while its prompt is read."""

    sequence: int
    tokens: int


def common_prefix(a: Sequence[int], b: Sequence[int]) -> int:
    """Number of leading tokens in which both agree."""
    if list(a[: len(b)]) == list(b[: len(a)]):
        return min(len(a), len(b))
    return next(n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y)


def place(prompt: Sequence[int], shared: int, tenant: str, slots: Sequence[SlotView]) -> Placement | None:
    """Choose a free slot for a prompt, None if all are busy.

    What one tenant wrote is reused for that tenant only, else the time to the first token would tell others of it;
    the system prompt (`shared` leading tokens) is the same for all and reused for all. At least the last
    token of the prompt is decoded anew, since its distribution is wanted.
    """
    free = [slot for slot in slots if not slot.busy]
    if not free:
        return None
    reuse = {slot.sequence: reusable(prompt, shared, tenant, slot) for slot in slots}
    best = max(reuse[slot.sequence] for slot in free)
    # Of equally good slots the longest unused one goes, so that recent conversations stay in memory.
    target = min((slot for slot in free if reuse[slot.sequence] + NEARLY_EQUAL > best), key=lambda slot: slot.used)
    source = max(slots, key=lambda slot: reuse[slot.sequence])
    if source is not target and reuse[source.sequence] >= reuse[target.sequence] + WORTH_COPYING:
        return Placement(target.sequence, reuse[source.sequence], source.sequence)
    return Placement(target.sequence, reuse[target.sequence], None)


def reusable(prompt: Sequence[int], shared: int, tenant: str, slot: SlotView) -> int:
    """Leading tokens of a prompt that need not be decoded where a slot holds these tokens."""
    most = len(prompt) - 1
    if slot.tenant != tenant:
        most = min(most, shared, slot.shared)
    return common_prefix(prompt[:most], slot.tokens)


def turns(waiting: Sequence[tuple[str, bool]], running: Mapping[str, int]) -> list[int]:
    """In which order those who wait get their turn; (tenant, background) each, in order of arrival.

    Background work goes last. Among people, whoever has fewer answers running or ahead of this one goes first: so one
    who asks much delays others by one answer and not by all of them.
    """
    ahead: dict[str, int] = dict(running)
    keys = []
    for arrival, (tenant, background) in enumerate(waiting):
        keys.append((background, ahead.get(tenant, 0), arrival))
        ahead[tenant] = ahead.get(tenant, 0) + 1
    return [arrival for _, _, arrival in sorted(keys)]


def plan(wants: Sequence[Want], *, batch: int, chunk: int) -> list[Want]:
    """How many tokens of each answer the next batch holds, answers in order of arrival.

    Every generating answer gets its token. Prompts get the rest, the earliest first: up to `batch` tokens when
    nobody waits for a token, else up to `chunk`, so that running streams do not stall.
    """
    chosen = [want for want in wants if want.tokens == 1][:batch]
    room = min(batch - len(chosen), chunk if chosen else batch)
    for want in wants:
        if want.tokens > 1 and room > 0:
            chosen.append(Want(want.sequence, min(want.tokens, room)))
            room -= min(want.tokens, room)
    return chosen


def halves(wants: Sequence[Want]) -> list[list[Want]]:
    """A batch that failed, as two smaller ones; of a single answer only the first half. Empty: it cannot be cut."""
    if len(wants) > 1:
        middle = len(wants) // 2
        return [list(wants[:middle]), list(wants[middle:])]
    return [[Want(want.sequence, want.tokens // 2)] for want in wants if want.tokens > 1]


class Bite:
    """How many tokens of prompts a batch holds while somebody waits for a token: so many that it takes a blink.

    Where several people wait for their first word, a batch takes a blink for each: every piece costs a whole decode of
    those who have begun, so a crowd that is read in small pieces is answered half as quickly.
    """

    def __init__(self) -> None:
        self._seconds = 0.0  # per token

    def tokens(self, unread: int = 1) -> int:
        """For so many prompts that are not read to their end."""
        blinks = max(1, min(unread, MOST_BLINKS))
        most = MOST_BITTEN * blinks
        return max(LEAST_BITTEN, min(most, int(blinks * BLINK_SECONDS / self._seconds))) if self._seconds else most

    def decoded(self, tokens: int, seconds: float) -> None:
        """A batch of so many tokens took so long. Small ones say little of prompts."""
        if tokens >= LEAST_BITTEN:
            fresh = seconds / tokens
            self._seconds = self._seconds + 0.3 * (fresh - self._seconds) if self._seconds else fresh


class Pace:
    """How long answers take here, as a running mean, for estimates to those who wait."""

    def __init__(self, first_guess: float = 4.0) -> None:
        self._seconds = first_guess

    def finished(self, seconds: float) -> None:
        self._seconds += 0.2 * (seconds - self._seconds)

    def wait(self, position: int, sequences: int) -> float:
        """Seconds until the request at this place in the queue (0 is next) begins, with all sequences busy."""
        return round((position + 1) * self._seconds / sequences, 2)
