"""Strings that are syntax to one of the languages a report passes through, and must be read as text in all of them."""

from __future__ import annotations

SCRIPT = "<script>alert(1)</script>"
SHORTCODES = ("{{< env HOME >}}", "{{< include /etc/passwd >}}")
CODE = "`hostile` $x^2$ **bold** [a](javascript:alert(1))"
FENCE = "```{=html}<b>hostile</b>```"
RIGHT_TO_LEFT = "abc\u202efdp.exe"
NUL = "nul\0here"
LONG = "long " + "x" * 10_000

HOSTILE = (SCRIPT, *SHORTCODES, CODE, FENCE, RIGHT_TO_LEFT, NUL, LONG)
"""As labels, values, texts and column names."""

NAMES = (
    "<script>alert(1)<!--",
    *(each.replace("/", "") for each in SHORTCODES),
    CODE,
    "```{=html}<b>hostile",
    RIGHT_TO_LEFT,
)
"""As names of files and folders."""

SYNTAX = ("<script>alert", "{{< env", "{{< include", "`hostile", "<b>hostile", "**bold", "](javascript", "\u202e", "\0")
"""What must stand nowhere in what a renderer is given: the beginnings of the above, as they are."""


def unescaped(text: str) -> list[str]:
    """Which of the hostile beginnings stand in a text."""
    return [each for each in SYNTAX if each in text]
