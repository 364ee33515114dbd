"""Typed conditions on documents: equality, membership and range over metadata, name, title and media type.

Knows how a condition reads in SQL; knows no view. Text and numbers never equal each other; a list in the metadata fits
if one of its elements does. Dates are ISO texts, which compare as they should.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, and_, exists, or_

from index.errors import BadFilter
from index.schema import Document, DocumentField

Scalar = str | float | bool
Comparison = Literal["gt", "gte", "lt", "lte"]

COLUMNS = {"name": Document.name, "title": Document.title, "media_type": Document.media_type}
MOST_CONDITIONS = 20
MOST_VALUES = 100

_COMPARE: Mapping[Comparison, str] = {"gt": "__gt__", "gte": "__ge__", "lt": "__lt__", "lte": "__le__"}


@dataclass(frozen=True, slots=True)
class OneOf:
    """The field has one of these values."""

    field: str
    values: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class Between:
    """One value of the field lies within all these bounds, which are all texts or all numbers."""

    field: str
    bounds: tuple[tuple[Comparison, str | float], ...]


@dataclass(frozen=True, slots=True)
class Filters:
    """Conditions that all must hold. Made by `parse_filters`."""

    conditions: tuple[OneOf | Between, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.conditions)

    def clause(self) -> ColumnElement[bool]:
        """The conditions as SQL over `Document`."""
        return and_(*(_clause(condition) for condition in self.conditions)) if self.conditions else Document.key > 0


def parse_filters(raw: Mapping[str, Any] | None) -> Filters:
    """Read filters as they come from JSON.

    `{"product": "router", "lang": ["en", "de"], "year": {"gte": 2020, "lt": 2024}, "media_type": "text/html"}`.
    A field is `name`, `title`, `media_type` or a key of the metadata; `metadata.name` is a key that shares a name
    with one of the three, `outer.inner` reaches into nested metadata. Raises BadFilter.
    """
    if raw is None:
        return Filters()
    if not isinstance(raw, Mapping):
        raise BadFilter(f"filters are {type(raw).__name__}, but an object of field: condition was wanted")
    if len(raw) > MOST_CONDITIONS:
        raise BadFilter(f"there are {len(raw)} filters, but at most {MOST_CONDITIONS} are taken")
    return Filters(tuple(_condition(field, wanted) for field, wanted in raw.items()))


def _condition(field: Any, wanted: Any) -> OneOf | Between:
    if not isinstance(field, str) or not field or len(field) > 255:
        raise BadFilter(f"{field!r} cannot be a field; use name, title, media_type or a key of the metadata")
    if not isinstance(wanted, Mapping):
        return OneOf(field, _values(field, wanted))
    if not wanted:
        raise BadFilter(f"the filter on {field!r} is empty; use a value, a list, or gt, gte, lt, lte, eq, in")
    if set(wanted) <= {"eq", "in"} and len(wanted) == 1:
        return OneOf(field, _values(field, next(iter(wanted.values()))))
    return Between(field, _bounds(field, wanted))


def _values(field: str, wanted: Any) -> tuple[Scalar, ...]:
    many = list(wanted) if isinstance(wanted, Sequence) and not isinstance(wanted, str | bytes) else [wanted]
    if not 1 <= len(many) <= MOST_VALUES:
        raise BadFilter(f"the filter on {field!r} has {len(many)} values, but 1 to {MOST_VALUES} are taken")
    for value in many:
        if not _is_scalar(value):
            raise BadFilter(f"the filter on {field!r} has {value!r}, but a text, a number or a truth value was wanted")
    if field in COLUMNS and not all(isinstance(value, str) for value in many):
        raise BadFilter(f"the filter on {field!r} has {wanted!r}, but {field} is a text")
    return tuple(many)


def _bounds(field: str, wanted: Mapping[Any, Any]) -> tuple[tuple[Comparison, str | float], ...]:
    found: list[tuple[Comparison, str | float]] = []
    for name, value in wanted.items():
        if name not in _COMPARE:
            raise BadFilter(f"the filter on {field!r} has {name!r}; use gt, gte, lt and lte, or one of eq and in")
        if isinstance(value, bool) or not _is_scalar(value):
            raise BadFilter(f"the filter on {field!r} has the bound {value!r}, but a text or a number was wanted")
        found.append((name, value))
    texts = [isinstance(value, str) for _, value in found]
    if any(texts) and not all(texts):
        raise BadFilter(f"the filter on {field!r} mixes text and number bounds; use one kind")
    if field in COLUMNS and not all(texts):
        raise BadFilter(f"the filter on {field!r} has number bounds, but {field} is a text")
    return tuple(found)


def _is_scalar(value: Any) -> bool:
    # NaN, infinities and integers that no float holds fail the comparison.
    return isinstance(value, str) or (isinstance(value, int | float) and abs(value) <= sys.float_info.max)


def _clause(condition: OneOf | Between) -> ColumnElement[bool]:
    if condition.field in COLUMNS:
        column: Any = COLUMNS[condition.field]
        if isinstance(condition, OneOf):
            within: ColumnElement[bool] = column.in_(condition.values)
            return within
        return and_(*(getattr(column, _COMPARE[name])(value) for name, value in condition.bounds))
    key = condition.field.removeprefix("metadata.")
    test = _one_of(condition.values) if isinstance(condition, OneOf) else _between(condition)
    return exists().where(DocumentField.document == Document.key, DocumentField.name == key, test)


def _one_of(values: Sequence[Scalar]) -> ColumnElement[bool]:
    texts = [("true" if value else "false") if isinstance(value, bool) else value for value in values]
    words = [value for value in texts if isinstance(value, str)]
    numbers = [float(value) for value in texts if not isinstance(value, str)]
    return or_(
        *([DocumentField.text.in_(words)] if words else []), *([DocumentField.number.in_(numbers)] if numbers else [])
    )


def _between(condition: Between) -> ColumnElement[bool]:
    column: Any = DocumentField.text if isinstance(condition.bounds[0][1], str) else DocumentField.number
    return and_(*(getattr(column, _COMPARE[name])(value) for name, value in condition.bounds))
