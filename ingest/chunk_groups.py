"""Which sections are packed together, and where their units are parted. Pure; counts tokens but makes no chunks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil

from ingest.chunk_units import Ruler, Section, Unit

_TINY = 12  # tokens: a section with a shorter body says too little alone
_PAGE_PART = 48  # tokens: from here on a new page begins a new chunk
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
    """Divide the units of a group into runs of about `target` tokens, none above `limit` unless it is one unit."""
    if not units:
        return
    total = ruler.tokens(units[0].start, units[-1].end)
    goal = limit if total <= limit else min(limit, ceil(total / ceil(total / target)))
    first = 0
    for position in range(1, len(units)):
        held = ruler.tokens(units[first].start, units[position - 1].end)
        with_next = ruler.tokens(units[first].start, units[position].end)
        new_page = units[position].page != units[position - 1].page and held >= _PAGE_PART
        too_much = with_next > goal and not (held < goal * 0.6 and with_next <= limit)
        if new_page or too_much:
            end = _before_leads(units, first, position)
            if ruler.tokens(units[end].start, units[position].end) > limit:
                end = position
            yield units[first:end]
            first = end
    yield units[first:]


def _before_leads(units: Sequence[Unit], first: int, position: int) -> int:
    """Move heading lines and short "as follows:" paragraphs over to what they announce."""
    end = position
    while end - 1 > first and _leads(units[end - 1]):
        end -= 1
    return end


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
