"""Which sections are packed together, and where their units are parted. Pure; counts tokens but makes no chunks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf

from ingest.chunk_units import Ruler, Section, Unit

_TINY = 12  # tokens: a section with a shorter body says too little alone
_PARTED_LEAD = 1.0  # costs as much as an empty chunk would
_ACROSS_PAGES = 1.2  # only rather than leaving a heading or a lead alone at the end of a page
_LEAD = 40  # tokens: a shorter unit that announces the next one goes along with it


@dataclass(slots=True)
class Group:
    """Units under one heading path. Heading lines that the path does not say are units too."""

    path: tuple[str, ...]
    sections: list[Section]

    def units(self) -> list[Unit]:
        """In order, with the heading lines of the sections below the path."""
        found: list[Unit] = []
        for section in self.sections:
            if section.heading is not None and section.path != self.path:
                found.append(section.heading)
            found += section.units
        return found


def group_sections(sections: Sequence[Section], ruler: Ruler, target: int) -> Iterator[Group]:
    """Each section is a group of its own; tiny ones join a neighbour under a heading they share."""
    current: Group | None = None
    for position, section in enumerate(sections):
        following = sections[position + 1] if position + 1 < len(sections) else None
        if not section.units and following is not None and _is_below(following, section):
            continue  # the path of what follows says this heading
        group = _alone(section)
        joined = _joined(current, group) if current is not None else None
        if current is not None and joined is not None and _should_join(current, group, joined, ruler, target):
            current = joined
            continue
        if current is not None:
            yield current
        current = group
    if current is not None:
        yield current


def parts(units: Sequence[Unit], ruler: Ruler, target: int, limit: int) -> Iterator[Sequence[Unit]]:
    """Divide the units of a group into the runs that together cost least; none above `limit` unless it is one unit.

    The cost of a run is the square of its relative distance from `target`, and more where it parts a lead from what it
    announces or holds two pages. All divisions are weighed, by dynamic programming: filling one chunk after another
    would leave small remains.
    """
    starts = [ruler.before(unit.start) for unit in units]
    stops = [ruler.before(unit.end) for unit in units]
    best = [0.0]  # cost of dividing the first n units
    cuts = [0]  # where the last run of that division begins
    for end in range(1, len(units) + 1):
        cheapest, cut = inf, end - 1
        parted = _PARTED_LEAD if end < len(units) and _leads(units[end - 1]) else 0.0
        page = units[end - 1].page
        for first in range(end - 1, -1, -1):
            tokens = stops[end - 1] - starts[first]
            if tokens > limit and first < end - 1:
                break
            across = 0.0 if units[first].page == page else _ACROSS_PAGES
            cost = best[first] + ((tokens - target) / target) ** 2 + parted + across
            if cost < cheapest:
                cheapest, cut = cost, first
        best.append(cheapest)
        cuts.append(cut)
    ends = []
    position = len(units)
    while position:
        ends.append((cuts[position], position))
        position = cuts[position]
    for first, end in reversed(ends):
        yield units[first:end]


def _leads(unit: Unit) -> bool:
    return unit.kind == "heading" or (unit.announces and unit.tokens <= _LEAD)


def _alone(section: Section) -> Group:
    """A heading without a body becomes text under the path above it."""
    return Group(section.path if section.units else section.path[:-1], [section])


def _joined(current: Group, group: Group) -> Group | None:
    """Both under the path they share; None when they share none, but a tiny start without heading may go along."""
    shared: list[str] = []
    for one, other in zip(current.path, group.path, strict=False):
        if one != other:
            break
        shared.append(one)
    if not shared and current.path:
        return None
    return Group(tuple(shared), [*current.sections, *group.sections])


def _should_join(current: Group, group: Group, joined: Group, ruler: Ruler, target: int) -> bool:
    if not (_body(current) < _TINY or _body(group) < _TINY):
        return False
    units = joined.units()
    if units[0].page != units[-1].page:
        return False
    return ruler.tokens(units[0].start, units[-1].end) <= target * 0.8


def _body(group: Group) -> int:
    return sum(unit.tokens for section in group.sections for unit in section.units)


def _is_below(section: Section, above: Section) -> bool:
    return len(section.path) > len(above.path) and section.path[: len(above.path)] == above.path
