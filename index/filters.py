"""Typed conditions on documents: metadata, name, title, media type and the time a document was added.

Knows how a condition reads in SQL; knows no view. Text and numbers never equal each other; a list in the metadata fits
if one of its elements does. Dates in the metadata are ISO texts, which compare as they should; `added` is a moment, and
its bounds are read as ISO dates or times, in UTC unless they say otherwise.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, and_, exists, func, not_, or_, select

from index.errors import BadFilter
from index.schema import Collection, Document, DocumentField, DocumentReader

Scalar = str | float | bool
Bound = str | float | datetime
Comparison = Literal["gt", "gte", "lt", "lte"]
Junction = Literal["and", "or", "not"]

COLUMNS = {"name": Document.name, "title": Document.title, "media_type": Document.media_type}
ADDED = "added"
MOST_CONDITIONS = 20  # of one filter, nested ones counted
MOST_VALUES = 100

_COMPARE: Mapping[Comparison, str] = {"gt": "__gt__", "gte": "__ge__", "lt": "__lt__", "lte": "__le__"}


@dataclass(frozen=True, slots=True)
class OneOf:
    """The field has one of these values."""

    field: str
    values: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class Between:
    """One value of the field lies within all these bounds, which are all texts, all numbers or all moments."""

    field: str
    bounds: tuple[tuple[Comparison, Bound], ...]


@dataclass(frozen=True, slots=True)
class Exists:
    """The field has a value that filters can compare, or none if `wanted` is false."""

    field: str
    wanted: bool


@dataclass(frozen=True, slots=True)
class Prefix:
    """A word of the text begins with these letters, large or small."""

    field: str
    letters: str


@dataclass(frozen=True, slots=True)
class Joined:
    """All of these hold ("and"), one of them does ("or"), or the only one does not ("not")."""

    how: Junction
    parts: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class ReadBy:
    """One of these names is among the document's readers, or it has none; all of the collections `whole` (ids) pass.

    Never comes from JSON.
    """

    readers: tuple[str, ...]
    whole: tuple[str, ...] = ()


Condition = OneOf | Between | Exists | Prefix | Joined | ReadBy


@dataclass(frozen=True, slots=True)
class Filters:
    """Conditions that all must hold. Made by `parse_filters`."""

    conditions: tuple[Condition, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.conditions)

    def clause(self) -> ColumnElement[bool]:
        """The conditions as SQL over `Document`."""
        return and_(*(_clause(condition) for condition in self.conditions)) if self.conditions else Document.key > 0

    def having(self, *more: Condition) -> "Filters":
        """These and more conditions, all of which must hold."""
        return Filters((*self.conditions, *more))


def parse_filters(raw: Mapping[str, Any] | None) -> Filters:
    """Read filters as they come from JSON.

    `{"product": "router", "lang": ["en", "de"], "year": {"gte": 2020, "lt": 2024}, "owner": {"exists": true},
    "title": {"prefix": "rout"}, "added": {"gte": "2026-11-01"}, "or": [{"a": 1}, {"not": {"b": 2}}]}`.
    A field is `name`, `title`, `media_type`, `added` or a key of the metadata; `metadata.name` is a key that shares a
    name with one of those or with `and`, `or` and `not`; `outer.inner` reaches into nested metadata. Raises BadFilter.
    """
    if raw is None:
        return Filters()
    found = Filters(_all_of(raw, "filters"))
    count = sum(map(_count, found.conditions))
    if count > MOST_CONDITIONS:
        raise BadFilter(f"there are {count} conditions, but at most {MOST_CONDITIONS} are taken")
    return found


def _all_of(raw: Any, what: str) -> tuple[Condition, ...]:
    if not isinstance(raw, Mapping):
        raise BadFilter(f"{what} are {type(raw).__name__}, but an object of field: condition was wanted")
    if len(raw) > MOST_CONDITIONS:
        raise BadFilter(f"there are {len(raw)} filters, but at most {MOST_CONDITIONS} are taken")
    return tuple(_condition(field, wanted) for field, wanted in raw.items())


def _count(condition: Condition) -> int:
    return sum(map(_count, condition.parts)) if isinstance(condition, Joined) else 1


def _condition(field: Any, wanted: Any) -> Condition:
    if not isinstance(field, str) or not field or len(field) > 255:
        raise BadFilter(f"{field!r} cannot be a field; use name, title, media_type, added or a key of the metadata")
    if field in ("and", "or", "not"):
        return _joined(field, wanted)  # type: ignore[arg-type]  # the line before has checked it
    if not isinstance(wanted, Mapping):
        return OneOf(field, _values(field, wanted))
    if not wanted:
        raise BadFilter(f"the filter on {field!r} is empty; use a value, a list, or gt, gte, lt, lte, eq, in, exists")
    if len(wanted) == 1:
        (name, value), *_ = wanted.items()
        if name in ("eq", "in"):
            return OneOf(field, _values(field, value))
        if name == "exists":
            return _exists(field, value)
        if name == "prefix":
            return _prefix(field, value)
    return Between(field, _bounds(field, wanted))


def _joined(how: Junction, wanted: Any) -> Joined:
    if how == "not":
        return Joined("not", (Joined("and", _some(_all_of(wanted, "the conditions of 'not'"), how)),))
    if isinstance(wanted, str) or not isinstance(wanted, Sequence):
        raise BadFilter(f"{how!r} has {type(wanted).__name__}, but a list of filters was wanted")
    if len(wanted) > MOST_CONDITIONS:
        raise BadFilter(f"{how!r} has {len(wanted)} filters, but at most {MOST_CONDITIONS} are taken")
    each = tuple(Joined("and", _some(_all_of(part, f"the conditions of {how!r}"), how)) for part in wanted)
    return Joined(how, _some(each, how))


def _some(parts: tuple[Condition, ...], how: str) -> tuple[Condition, ...]:
    if not parts:
        raise BadFilter(f"{how!r} is empty; give it conditions or leave it out")
    return parts


def _exists(field: str, wanted: Any) -> Exists:
    if not isinstance(wanted, bool):
        raise BadFilter(f"the filter on {field!r} has exists: {wanted!r}, but true or false was wanted")
    if field in COLUMNS or field == ADDED:
        raise BadFilter(f"every document has a {field}; `exists` asks for keys of the metadata")
    return Exists(field, wanted)


def _prefix(field: str, wanted: Any) -> Prefix:
    if not isinstance(wanted, str) or not 1 <= len(wanted) <= 200:
        raise BadFilter(f"the filter on {field!r} has prefix: {wanted!r}, but a text of 1 to 200 letters was wanted")
    if field == ADDED:
        raise BadFilter("`added` is a time; use gt, gte, lt and lte with ISO dates")
    return Prefix(field, wanted)


def _values(field: str, wanted: Any) -> tuple[Scalar, ...]:
    if field == ADDED:
        raise BadFilter("`added` is a time; use gt, gte, lt and lte with ISO dates")
    many = list(wanted) if isinstance(wanted, Sequence) and not isinstance(wanted, str | bytes) else [wanted]
    if not 1 <= len(many) <= MOST_VALUES:
        raise BadFilter(f"the filter on {field!r} has {len(many)} values, but 1 to {MOST_VALUES} are taken")
    for value in many:
        if not _is_scalar(value):
            raise BadFilter(f"the filter on {field!r} has {value!r}, but a text, a number or a truth value was wanted")
    if field in COLUMNS and not all(isinstance(value, str) for value in many):
        raise BadFilter(f"the filter on {field!r} has {wanted!r}, but {field} is a text")
    return tuple(many)


def _bounds(field: str, wanted: Mapping[Any, Any]) -> tuple[tuple[Comparison, Bound], ...]:
    found: list[tuple[Comparison, Bound]] = []
    for name, value in wanted.items():
        if name not in _COMPARE:
            raise BadFilter(
                f"the filter on {field!r} has {name!r}; use gt, gte, lt and lte, or one of eq, in, exists and prefix"
            )
        if isinstance(value, bool) or not _is_scalar(value):
            raise BadFilter(f"the filter on {field!r} has the bound {value!r}, but a text or a number was wanted")
        found.append((name, _moment(value) if field == ADDED else value))
    texts = [isinstance(value, str) for _, value in found]
    if any(texts) and not all(texts):
        raise BadFilter(f"the filter on {field!r} mixes text and number bounds; use one kind")
    if field in COLUMNS and not all(texts):
        raise BadFilter(f"the filter on {field!r} has number bounds, but {field} is a text")
    return tuple(found)


def _is_scalar(value: Any) -> bool:
    # NaN, infinities and integers that no float holds fail the comparison.
    return isinstance(value, str) or (isinstance(value, int | float) and abs(value) <= sys.float_info.max)


def _moment(value: str | float) -> datetime:
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError as error:
        raise BadFilter(
            f"`added` has the bound {value!r}, but an ISO date or time such as 2026-11-22 was wanted"
        ) from error
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _clause(condition: Condition) -> ColumnElement[bool]:
    if isinstance(condition, Joined):
        parts = [_clause(part) for part in condition.parts]
        return not_(parts[0]) if condition.how == "not" else (and_ if condition.how == "and" else or_)(*parts)
    if isinstance(condition, ReadBy):
        return _read_by(condition)
    if condition.field == ADDED:
        assert isinstance(condition, Between)
        return _within(Document.created_at, condition.bounds)
    if condition.field in COLUMNS:
        return _of_column(COLUMNS[condition.field], condition)
    key = condition.field.removeprefix("metadata.")
    # Joined to nothing, so that no index of names is taken: SQLite preferred it to that of documents, and went through
    # the fields of all documents for each of them.
    mine = (DocumentField.document == Document.key, DocumentField.name.concat("") == key)
    if isinstance(condition, Exists):
        there = exists().where(*mine)
        return there if condition.wanted else not_(there)
    if isinstance(condition, Prefix):
        return exists().where(*mine, _begins(DocumentField.text, condition.letters))
    test = _one_of(condition.values) if isinstance(condition, OneOf) else _between(condition)
    return exists().where(*mine, test)


def _read_by(condition: ReadBy) -> ColumnElement[bool]:
    theirs = DocumentReader.document == Document.id
    passing = [not_(exists().where(theirs))]
    if condition.readers:
        passing.append(exists().where(theirs, DocumentReader.reader.in_(condition.readers)))
    if condition.whole:
        passing.append(Document.collection.in_(select(Collection.key).where(Collection.id.in_(condition.whole))))
    return or_(*passing)


def _of_column(column: Any, condition: OneOf | Between | Exists | Prefix) -> ColumnElement[bool]:
    if isinstance(condition, Prefix):
        return _begins(column, condition.letters)
    if isinstance(condition, OneOf):
        within: ColumnElement[bool] = column.in_(condition.values)
        return within
    assert isinstance(condition, Between)
    return _within(column, condition.bounds)


def _begins(column: Any, letters: str) -> ColumnElement[bool]:
    """A word begins where the text does, or after anything that parts words in titles and file names."""
    low = func.lower(column)
    starts = [low.startswith(letters.lower(), autoescape=True)]
    starts += [low.contains(f"{gap}{letters.lower()}", autoescape=True) for gap in (" ", "-", "_", "/", ".", "(")]
    return or_(*starts)


def _within(column: Any, bounds: Sequence[tuple[Comparison, Bound]]) -> ColumnElement[bool]:
    return and_(*(getattr(column, _COMPARE[name])(value) for name, value in bounds))


def _one_of(values: Sequence[Scalar]) -> ColumnElement[bool]:
    texts = [("true" if value else "false") if isinstance(value, bool) else value for value in values]
    words = [value for value in texts if isinstance(value, str)]
    numbers = [float(value) for value in texts if not isinstance(value, str)]
    return or_(
        *([DocumentField.text.in_(words)] if words else []), *([DocumentField.number.in_(numbers)] if numbers else [])
    )


def _between(condition: Between) -> ColumnElement[bool]:
    column: Any = DocumentField.text if isinstance(condition.bounds[0][1], str) else DocumentField.number
    return _within(column, condition.bounds)
