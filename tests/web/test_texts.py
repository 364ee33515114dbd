"""Every text that a page asks for exists, and every text that exists is asked for."""

import re
from pathlib import Path

import pytest

from rag.web.texts import ROOMS, TEXTS, text

WEB = Path(__file__).parents[2] / "rag" / "web"
PLACE = re.compile(r"\{(\w+)\}")


def sources() -> list[Path]:
    templates = [*(WEB / "templates").glob("*.html"), *(WEB.parents[1] / "eval" / "templates").glob("*.html")]
    return [*sorted(templates), *sorted((WEB / "static").glob("*.js"))]


def asked() -> tuple[set[str], set[str]]:
    """Keys that are written out, and beginnings of keys that are put together (`status.${status}`)."""
    whole: set[str] = set()
    beginnings: set[str] = set()
    for path in sources():
        content = path.read_text(encoding="utf-8")
        whole.update(re.findall(r"""["'`]([a-z]+(?:\.[a-z_]+)*)["'`]""", content))
        beginnings.update(re.findall(r"`([a-z]+(?:\.[a-z_]+)*\.)\$\{", content))
        beginnings.update(re.findall(r"""["']([a-z]+(?:\.[a-z_]+)*\.)["'] ~ """, content))
    return whole, beginnings


def test_every_text_is_used() -> None:
    whole, beginnings = asked()
    composed = {key for key in TEXTS if key.startswith(tuple(beginnings))}
    derived = {key for key in TEXTS if key.rpartition(".")[2] in ("one", "help") and key.rpartition(".")[0] in TEXTS}
    assert set(TEXTS) - whole - composed - derived == set()


def test_every_key_that_is_written_out_exists() -> None:
    called = set()
    for path in sources():
        content = path.read_text(encoding="utf-8")
        called.update(re.findall(r"""\bt\(\s*["']([a-z_.]+)["'](?! ~)""", content))
    assert called - set(TEXTS) == set()
    assert called


def test_a_text_fills_its_places_and_refuses_to_leave_one_empty() -> None:
    assert text("source.page", page=3) == "Page 3"
    with pytest.raises(KeyError):
        text("source.page")


def test_texts_hold_no_markup() -> None:
    assert all("<" not in words and "&" not in words for words in TEXTS.values())


def test_no_text_stands_in_two_rooms() -> None:
    assert len(TEXTS) == sum(len(room.TEXTS) for room in ROOMS)
