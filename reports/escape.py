"""The one way to put a string that comes from data or a spec into the page.

The page passes through four languages: Python's f-strings make Markdown, Quarto expands shortcodes in it
(also inside raw HTML), pandoc turns it into HTML, a browser reads that. `safe` is right for all of them at
once, because it leaves nothing that any of them treats as syntax.
"""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any

DIRECTION_MARKS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters without a glyph that change the direction of text. They can make a name look like another one."""


class Html(str):
    """Markup that is already safe to put into the page as it stands."""


def safe(text: object) -> Html:
    """Escapes `text` for HTML, for an HTML attribute, for Markdown and for use beside Quarto's shortcodes.

    Every ASCII character that is neither a letter, a digit nor a space becomes a numeric character reference;
    runs of white space become one space; control and text-direction characters become U+FFFD. `Html` is
    returned unchanged.

    >>> str(safe("<b> {{x}}"))
    '&#60;b&#62; &#123;&#123;x&#125;&#125;'
    """
    if isinstance(text, Html):
        return text
    line = " ".join(str(text).split())
    return Html("".join(map(_reference, line)))


def safe_lines(text: str) -> Html:
    """Like `safe`, for preformatted text inside raw HTML: line breaks and indentation are kept."""
    lines = text.expandtabs(4).splitlines()
    return Html("\n".join("".join(map(_reference, line)) for line in lines))


def safe_json(value: Any) -> Html:
    """Returns `value` as JSON for a `<script>` inside a raw HTML block: without `<`, `>`, `&` and backticks."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Html(re.sub(r"[<>&`\u2028\u2029]", lambda found: f"\\u{ord(found[0]):04x}", text))


def visible(value: Any) -> Any:
    """Returns plain JSON with each control and text-direction character of its texts replaced by U+FFFD. Line breaks
    and tabs stay. This is needed because a NUL ends the process in the library that draws charts.

    >>> visible({"a\\0b": ["c", 1]})
    {'a\ufffdb': ['c', 1]}
    """
    if isinstance(value, dict):
        return {visible(key): visible(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [visible(each) for each in value]
    if isinstance(value, str):
        return "".join("\ufffd" if _hidden(letter) and letter not in "\n\t" else letter for letter in value)
    return value


def _reference(character: str) -> str:
    if character == " " or (character.isascii() and character.isalnum()):
        return character
    if character.isascii() and character.isprintable():
        return f"&#{ord(character)};"
    return "\ufffd" if _hidden(character) else character


def _hidden(character: str) -> bool:
    # Cc: control, Cs: half a surrogate pair.
    return unicodedata.category(character) in {"Cc", "Cs"} or character in DIRECTION_MARKS
