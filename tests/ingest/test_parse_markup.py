"""Markdown, HTML and reStructuredText become clean text with true spans."""
# ruff: noqa: E501  # a document on one line is easier to compare with what becomes of it

from pathlib import Path

import pytest

from ingest.document import Document
from ingest.errors import NoTextFound
from ingest.parse import parse


def parsed(tmp_path: Path, name: str, text: str) -> Document:
    path = tmp_path / "upload"
    path.write_text(text, encoding="utf-8")
    document = parse(path, name)
    assert_spans_are_true(document)
    return document


def assert_spans_are_true(document: Document) -> None:
    position = 0
    for block in document.blocks:
        assert position <= block.start < block.end <= len(document.text)
        assert not document.text[position : block.start].strip()
        assert document.text[block.start : block.end].strip()
        position = block.end
        for start, end in block.rows:
            assert block.start <= start < end <= block.end
    assert not document.text[position:].strip()


def blocks(document: Document, kind: str) -> list[str]:
    return [document.text[block.start : block.end] for block in document.blocks if block.kind == kind]


def test_markdown_structure(tmp_path: Path) -> None:
    document = parsed(
        tmp_path,
        "guide.md",
        "---\ntitle: The *real* guide\nowner: docs\n---\n# Guide {#top}\n\nSee [queues](./q.md) and `code`, **bold**.\n\n"
        "## Steps\n\n1. First\n2. Second\n   - inner\n\n```sh\nrun  --now\n\n  indented\n```\n\n"
        "| key | value |\n|---|---|\n| a | 1 |\n| b | `2` |\n\n> quoted\n",
    )
    assert document.title == "The *real* guide"
    assert document.metadata == {"owner": "docs"}
    assert document.media_type == "text/markdown"
    assert blocks(document, "heading") == ["Guide", "Steps"]
    assert [block.level for block in document.blocks if block.kind == "heading"] == [1, 2]
    assert blocks(document, "paragraph") == ["See queues and code, bold."]
    assert blocks(document, "list") == ["1. First", "2. Second", "  - inner"]
    assert blocks(document, "code") == ["run  --now\n\n  indented"]
    assert blocks(document, "table") == ["key | value\na | 1\nb | 2"]
    assert blocks(document, "quote") == ["quoted"]
    table = next(block for block in document.blocks if block.kind == "table")
    assert table.header
    assert [document.text[start:end] for start, end in table.rows] == ["key | value", "a | 1", "b | 2"]


def test_mdx_loses_its_components_and_keeps_its_words(tmp_path: Path) -> None:
    document = parsed(
        tmp_path,
        "tabs.mdx",
        "import Tabs from '@theme/Tabs';\nimport {\n  A,\n  B,\n} from './x';\n\n# Page {#page}\n\n{/* hidden remark */}\n"
        ':::tip Remember\n\nKeep it short.\n\n:::\n\n<Tabs groupId="l">\n<TabItem value="py" label="Python">\n'
        '```python\nimport this\n```\n</TabItem>\n</Tabs>\n\n<table className={"x"}>\n  <tr>\n    <td>`key`</td>\n    <td>\n'
        "      A [link](./a) to **it**.\n    </td>\n  </tr>\n</table>\n\n<Badge kind=\"new\"/> Done {Version({a: 'b'})}.\n",
    )
    assert blocks(document, "heading") == ["Page"]
    assert "Tip, Remember: Keep it short." in blocks(document, "paragraph")
    assert "Python" in blocks(document, "paragraph")
    assert blocks(document, "code") == ["import this"]
    assert blocks(document, "table") == ["key | A link to it."]
    for leftover in ("@theme", "<", ">", "{", "}", ":::", "`", "**", "hidden remark"):
        assert leftover not in document.text
    assert any("components" in sentence for sentence in document.report.dropped)


def test_callouts_of_microsoft_learn(tmp_path: Path) -> None:
    document = parsed(
        tmp_path, "a.md", "# A\n\n> [!NOTE]\n> Take care.\n\n[!INCLUDE [x](../x.md)]\n\n<xref:System.Int32>\n"
    )
    assert blocks(document, "quote") == ["Note: Take care."]
    assert document.text.endswith("System.Int32")


def test_unknown_tags_in_markdown_are_text(tmp_path: Path) -> None:
    document = parsed(tmp_path, "a.md", "Run `Get <Name>` or Get-Item <Path> [<CommonParameters>].\n")
    assert document.text == "Run Get <Name> or Get-Item <Path> [<CommonParameters>]."


def test_html_shows_what_a_reader_sees(tmp_path: Path) -> None:
    document = parsed(
        tmp_path,
        "page.txt",
        "<!DOCTYPE html><html lang='en'><head><title>Help &amp; more</title><meta name=author content=Ann><style>p{}</style>"
        "</head><body><nav>Home | About</nav><main><h1>Help</h1><p>One<br>two &lt;b&gt;<script>alert(1)</script></p>"
        "<p hidden>secret</p><div style='display: none'>secret</div><ul><li>a<ul><li>b</li></ul></li></ul>"
        "<pre>x  =  1\n  y</pre><table><tr><th>k<th>v<tr><td>a<td>1</table><dl><dt>Term<dd>Meaning</dl></main>"
        "<footer>Imprint</footer></body></html>",
    )
    assert document.media_type == "text/html"
    assert document.title == "Help & more"
    assert document.metadata == {"author": "Ann", "language": "en"}
    assert blocks(document, "paragraph") == ["One\ntwo <b>"]
    assert blocks(document, "list") == ["- a", "  - b", "Term", "    Meaning"]
    assert blocks(document, "code") == ["x  =  1\n  y"]
    assert blocks(document, "table") == ["k | v\na | 1"]
    for hidden in ("secret", "alert", "Home", "Imprint", "p{}"):
        assert hidden not in document.text


def test_deep_html_does_not_stop_the_parser(tmp_path: Path) -> None:
    document = parsed(tmp_path, "deep.html", "<html><body>" + "<div><span>" * 400 + "bottom")
    assert document.text == "bottom"
    with pytest.raises(NoTextFound):  # deeper than any reader of HTML goes
        parsed(tmp_path, "deep.html", "<html><body>" + "<div><span>" * 50_000 + "bottom")


def test_html_without_visible_text(tmp_path: Path) -> None:
    with pytest.raises(NoTextFound, match="no visible text"):
        parsed(tmp_path, "a.html", "<html><body><script>var a = 1;</script></body></html>")


def test_rst_structure_with_sphinx_names(tmp_path: Path) -> None:
    document = parsed(
        tmp_path,
        "a.rst",
        ":orphan:\n\nGuide\n=====\n\nUse :class:`Store <pkg.Store>` and :meth:`~pkg.Store.get`, see :ref:`here <x>`.\n\n"
        "Part\n----\n\n- one\n- two\n\n.. note::\n    Mind this.\n\n.. code-block:: python\n    :caption: x\n\n    a = 1\n\n"
        "       b\n\n.. literalinclude:: /etc/passwd\n\n.. include:: /etc/passwd\n\n.. raw:: html\n\n   <b>raw</b>\n\n"
        ".. unknown-thing:: Label\n   :option: 1\n\n   Inside.\n\n.. tab-set::\n\n   .. tab-item:: Linux\n\n"
        "      apt\n\nTerm\n    Meaning here.\n\n=== ===\nk   v\n=== ===\na   1\n=== ===\n",
    )
    assert document.title == "Guide"
    assert blocks(document, "heading") == ["Guide", "Part"]
    assert "Use Store and get, see here." in document.text
    assert blocks(document, "list") == ["- one", "- two", "Term", "    Meaning here."]
    assert "Note: Mind this." in blocks(document, "paragraph")
    assert blocks(document, "code") == ["a = 1\n\n   b"]
    assert blocks(document, "table") == ["k | v\na | 1"]
    for word in ("Label", "Inside.", "Linux", "apt"):
        assert word in document.text
    for leftover in ("root:", "raw", "Unknown", "::", "`", "orphan"):
        assert leftover not in document.text
    assert "left out: included files (2)" in document.report.dropped


def test_markup_by_name_only_is_still_text(tmp_path: Path) -> None:
    document = parsed(
        tmp_path, "notes.rst", "Just a sentence with *open emphasis and |substitution|.\n\n  odd\n indent\n"
    )
    assert "Just a sentence" in document.text
    assert "System Message" not in document.text


def test_without_a_title_the_name_of_the_file_is_one(tmp_path: Path) -> None:
    document = parsed(tmp_path, "folder/service.8.md", "# NAME\n\nx\n\n# OPTIONS\n\ny\n")
    assert document.title == "service.8"
