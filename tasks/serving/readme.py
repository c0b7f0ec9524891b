"""How to use a shipped model, in its own folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

README = "README.md"

_FILES = """
```sh
.venv/bin/bakeoff predict RUN FILE --output answers.csv    # RUN: the folder above this one
```

reads a file as the training data were read, and writes a row for each of its rows: {prediction}, and `problem` where
something could not be read.
"""

_PYTHON = """
In Python, without this project, with values as `signature.json` states them:

```python
import keras

model = keras.saving.load_model("model.keras", compile=False)
answers = model(inputs)    # inputs: a dictionary of the arrays below
```
"""


def readme(signature: Mapping[str, Any]) -> str:
    """Markdown: both ways to ask the model, and what it takes.

    Args:
        signature: What `export_model` wrote.
    """
    classes = signature["classes"]
    prediction = "the class and a probability for each" if classes else "the value"
    parts = [f"# A model of {_code(signature['target'])}"]
    if signature.get("columns"):
        parts.append(_FILES.format(prediction=prediction).strip())
    parts.append(_PYTHON.strip())
    parts.append(_table(["input", "column", "holds"], [_input(each, signature) for each in signature["inputs"]]))
    if classes:
        parts.append("Answers are probabilities of the classes, in this order: " + ", ".join(map(_code, classes)) + ".")
    return "\n\n".join(parts) + "\n"


def _input(entry: Mapping[str, Any], signature: Mapping[str, Any]) -> list[str]:
    if "shape" in entry:
        return [_code(entry["input"]), "", f"{entry['dtype']}, rows of shape {tuple(entry['shape'])}"]
    source = next((each for each in signature.get("columns", ()) if entry["name"] in each["inputs"]), None)
    kind = "float64 [rows, 1], NaN where missing" if entry["kind"] == "number" else 'text [rows, 1], "" where missing'
    return [_code(entry["input"]), _code(entry["name"]), kind + (_meaning(source["reading"]) if source else "")]


def _meaning(reading: Mapping[str, Any]) -> str:
    if reading["meanings"]:
        return "; " + ", ".join(f"{_code(text)} = {number:g}" for text, number in reading["meanings"].items())
    if reading["kind"] == "date":
        return f"; of dates written as {reading['format']}"
    return "; blanks around it removed" if reading["kind"] == "category" else ""


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows))


def _code(text: str) -> str:
    """A name as Markdown code, whatever stands in it."""
    return "`" + str(text).replace("`", "'").replace("|", "¦").replace("\n", " ") + "`"
