"""Strings from data are text wherever they are put."""

from __future__ import annotations

import html
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.escape import Html, safe, safe_json, safe_lines, visible
from reports.markup import raw
from reports.pandoc import to_html

HOSTILE = [
    "<script>alert(1)</script>",
    "{{< env HOME >}}",
    "**bold** _it_ `code` $x^2$ [a](javascript:alert(1)) ![i](x) ^s^ ~s~ @cite :::",
    "::: {.callout-note}",
    "```{=html}",
    '"><img src=x onerror=alert(1)>',
    "</title></style></table><!--",
    "&lt;b&gt; &amp; &#60;",
    "1. item",
    "# heading",
    "| a | b |",
    "\\newcommand -- ... 'quotes' \"quotes\"",
    "www.example.com http://example.com",
]


@given(st.text(max_size=60))
def test_nothing_but_letters_digits_spaces_and_references_is_left(text: str) -> None:
    made = safe(text)
    assert not set("<>{}[]`*_$\\\"'|~^@!()=") & set(made)
    readable = " ".join(text.split())
    assert len(html.unescape(made)) == len(readable)


@given(st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), max_size=60))
def test_printable_ascii_reads_as_it_was(text: str) -> None:
    assert html.unescape(safe(text)) == text


def test_what_is_safe_stays_as_it_is() -> None:
    assert safe(Html("<b>1</b>")) == "<b>1</b>"
    assert safe(safe("a<b")) == safe("a<b")


def test_hidden_characters_are_made_visible() -> None:
    assert safe("a\u202eb\x00c") == "a\ufffdb\ufffdc"


def test_a_chart_gets_no_hidden_characters() -> None:
    value = {"a\0": ["b\u202ec", 1, None, {"d": "e\x1b\n"}]}
    assert visible(value) == {"a\ufffd": ["b\ufffdc", 1, None, {"d": "e\ufffd\n"}]}


def test_preformatted_text_keeps_lines_and_indentation() -> None:
    assert html.unescape(safe_lines("a:\n  - <b>\n\tc")) == "a:\n  - <b>\n    c"


@given(st.dictionaries(st.text(max_size=9), st.text(max_size=30), max_size=4))
def test_json_in_a_script_says_the_same(value: dict[str, str]) -> None:
    text = safe_json(value)
    assert json.loads(text) == value
    assert not set("<>&`") & set(text)


def test_json_refuses_nan() -> None:
    with pytest.raises(ValueError):
        safe_json({"a": float("nan")})


def test_pandoc_shows_hostile_strings_as_text() -> None:
    """In a paragraph, a list, a heading, a callout, a raw block and the title."""
    for text in HOSTILE:
        shown = safe(text)
        page = to_html(
            f"{shown}\n\n- {shown}\n\n### {shown}\n\n::: {{.callout-tip}}\n{shown}\n:::\n\n{raw(shown)}",
            {"title": str(shown), "subtitle": str(shown), "lang": "en"},
        )
        body = page.split("<body>")[1]
        assert html.unescape(body).count(text) >= 6, text
        for tag in ("<script>alert", "<img", "<em>", "<strong>", "<math", 'javascript:alert(1)"', "<table"):
            assert tag not in body.replace("data:image", ""), (text, tag)
        assert html.unescape(page.split("<title>")[1].split("</title>")[0]) == text


@pytest.mark.parametrize("code", [0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)], ids=hex)
def test_no_direction_mark_comes_through(code: int) -> None:
    """The Unicode characters of class Bidi_Control; Arabic and Hebrew letters themselves do."""
    assert safe(f"a{chr(code)}b") == safe_lines(f"a{chr(code)}b") == "a\ufffdb"
    assert safe("\u05d0\u0627") == "\u05d0\u0627"
