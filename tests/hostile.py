"""Strings that are syntax in a language that a report passes through; all of them must treat the strings as text."""

from __future__ import annotations

SCRIPT = "<script>alert(1)</script>"
SHORTCODES = ("{{< env HOME >}}", "{{< include /etc/passwd >}}")
CODE = "`hostile` $x^2$ **bold** [a](javascript:alert(1))"
FENCE = "```{=html}<b>hostile</b>```"
RIGHT_TO_LEFT = "abc\u202efdp.exe"
NUL = "nul\0here"
LONG = "long " + "x" * 10_000

HOSTILE = (SCRIPT, *SHORTCODES, CODE, FENCE, RIGHT_TO_LEFT, NUL, LONG)
"""For labels, values, texts and column names."""

NAMES = (
    "<script>alert(1)<!--",
    *(each.replace("/", "") for each in SHORTCODES),
    CODE,
    "```{=html}<b>hostile",
    RIGHT_TO_LEFT,
)
"""For names of files and folders."""

SYNTAX = ("<script>alert", "{{< env", "{{< include", "`hostile", "<b>hostile", "**bold", "](javascript", "\u202e", "\0")
"""The beginnings of the strings above, unescaped: they must appear nowhere in the input of a renderer."""


def unescaped(text: str) -> list[str]:
    """Returns the hostile beginnings that a text contains unescaped."""
    return [each for each in SYNTAX if each in text]
