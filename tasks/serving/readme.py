"""The README in a shipped model's folder: how to use the model, with its own columns."""

from __future__ import annotations

import csv
import datetime
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from tasks.datasets.dates import ISO

README = "README.md"

_FILES = """
## A file of new rows

{example}

The file is read as the training data were, by the modules in `reading/`. Each of its rows gets a row in answers.csv:
{prediction}, and `problem` where something could not be read.

`predict.py` needs tensorflow, keras, numpy and pandas{more}. It does not need the project that trained the model. With
that project the command is:

```sh
bakeoff predict .. {file} --output answers.csv
```
"""

_PYTHON = """
## Typed values in Python

```python
import keras
import numpy as np

model = keras.saving.load_model("model.keras", compile=False)
answers = model(
    {{
{inputs}
    }}
)
print(answers)
```

The table says what each input holds; so does `signature.json`.{blanks}
"""
_ESTIMATOR = """
## In Python

```python
from pathlib import Path

from reading.training.exported import predict

answers = predict(Path("."), rows)
```

`rows` is {rows}. `estimator.skops` holds the model, scikit-learn's {model}{features}. It is loaded only where it holds
nothing but what scikit-learn's own models are made of.
"""
_BLANKS = """

The model compares the texts of a category as they stand: `" A"` is not `"A"`. Remove blanks around them, as
`predict.py` does."""
_OF_KIND = {
    "image": ("FOLDER", ", for files of images opencv-python-headless"),
    "sound": ("FOLDER", " and soundfile"),
}


def readme(signature: Mapping[str, Any], table: pd.DataFrame) -> str:
    """Returns Markdown: both ways to use the model, with examples that run in its folder, and what inputs it takes.

    Args:
        signature: The signature that `export_model` wrote.
        table: Raw inputs that are columns, from which the examples take typical numbers.
    """
    classes, inputs = signature["classes"], signature["inputs"]
    typical = {str(name): _typical(table[name]) for name in table.columns if table[name].dtype != object}
    prediction = "the class and a probability for each" if classes else "the value"
    file, more = _OF_KIND.get(inputs[0]["kind"], ("new.csv", ", for Parquet pyarrow"))
    if inputs[0]["kind"] == "image" and inputs[0]["dtype"] != "uint8":  # image files do not hold such numbers
        file, more = "new.npz", ""
    example = f"```sh\n{_rows_of_a_file(signature, typical)}python predict.py {file} --output answers.csv\n```"
    if file == "FOLDER":
        held = f"{inputs[0]['kind']}s, in folders of classes or not"
        example += f"\n\nFOLDER holds {held}. It may be an archive, or one file, too."
    if file == "new.npz":
        example += "\n\nnew.npz holds the images, an array `x`."
    values = ",\n".join(f"        {_literal(entry['input'])}: {_value(entry, typical)}" for entry in inputs) + ","
    blanks = _BLANKS if any(entry["kind"] == "category" for entry in inputs) else ""
    estimator = signature.get("estimator")
    more += "; scikit-learn and skops" if estimator else ""
    python = _estimator(signature) if estimator else _PYTHON.format(inputs=values, blanks=blanks)
    parts = [
        f"# A model of {_code(signature['target'])}",
        _FILES.format(prediction=prediction, file=file, more=more, example=example).strip(),
        python.strip(),
        _table(["input", "column", "holds"], [_input(each, signature) for each in inputs]),
    ]
    if classes:
        parts.append("Answers are probabilities of the classes, in this order: " + ", ".join(map(_code, classes)) + ".")
        parts += [*_calibration(signature), *_prior(signature), *_choice(signature)]
    else:
        parts.append(f"The answer is {_code(signature['target'])}, in the unit of the training data.")
    return "\n\n".join(parts) + "\n"


def _estimator(signature: Mapping[str, Any]) -> str:
    """How to use a scikit-learn model in Python."""
    table = "shape" not in signature["inputs"][0]
    rows = "a pandas table with the columns below" if table else "a NumPy array of rows as below"
    features = "; `features.keras` makes what it takes of them" if signature["sha256"] else ""
    return _ESTIMATOR.format(rows=rows, model=signature["estimator"]["model"], features=features)


def _calibration(signature: Mapping[str, Any]) -> list[str]:
    """How probabilities are calibrated, where they are."""
    calibration = signature.get("calibration")
    if not calibration:
        return []
    if "temperature" in calibration:
        how = (
            f"their logarithms are divided by {calibration['temperature']:.4g}, and they are made to add up to 1 again"
        )
    else:
        how = "each class's probability is mapped by straight lines (`knots`), and all are divided by their sum"
    file = "estimator.skops" if signature.get("estimator") else "model.keras"
    return [
        f"They are calibrated on the validation part: {how}. `predict` does that; `{file}` alone does not: see "
        "`calibration` in `signature.json`."
    ]


def _prior(signature: Mapping[str, Any]) -> list[str]:
    """The sentence that probabilities hold at the real class shares, where the spec states these shares."""
    real = signature.get("real_prior")
    if not real:
        return []
    shares = ", ".join(f"{_code(name)} {share:.4g}" for name, share in real["shares"].items())
    said = f"They are corrected to the real shares of the classes, {shares}, which the training rows do not have."
    if signature.get("estimator") or signature.get("calibration"):
        file = "estimator.skops" if signature.get("estimator") else "model.keras"
        said += f" `predict` does that; `{file}` alone does not: see `real_prior` in `signature.json`."
    return [said]


def _choice(signature: Mapping[str, Any]) -> list[str]:
    """The rule by which a class is chosen from the probabilities, where it is not the likeliest class."""
    choice = signature.get("choice")
    if not choice:
        return []
    if "threshold" in choice:
        positive, threshold = _code(signature["positive"]), f"{choice['threshold']:.6g}"
        return [f"Predicted is {positive} where its probability is at least {threshold}, {choice['how']}."]
    return [f"Predicted is {choice['how']}: see `choice` in `signature.json`, costs by actual and predicted class."]


def _typical(column: pd.Series) -> float:
    """The median, to four digits; 0 where there is no value."""
    known = column.dropna()
    return float(f"{float(known.median()):.4g}") if len(known) else 0.0


def _value(entry: Mapping[str, Any], typical: Mapping[str, float]) -> str:
    """Python code for an array of one row."""
    if "shape" in entry:
        return f"np.zeros((1, {', '.join(map(str, entry['shape']))}), {_literal(entry['dtype'])})"
    if entry["kind"] == "number":
        return f"np.array([[{typical.get(entry['name'], 0.0)!r}]])"
    text = "some words" if entry["kind"] == "text" else next(iter(entry["values"]), "")
    return f"np.array([[{_literal(text)}]], dtype=object)"


def _rows_of_a_file(signature: Mapping[str, Any], typical: Mapping[str, float]) -> str:
    """The shell command that writes new.csv with one row in the training file's format; empty for images and sounds."""
    if not signature.get("columns"):
        return ""
    read, columns = signature["read"], {column["name"]: column for column in signature["columns"]}
    found = {new: old for old, new in signature["rename"].items()}
    written = {name: _written(column, signature, typical) for name, column in columns.items()}
    if read["header"]:
        lines = [[found.get(name, name) for name in columns], list(written.values())]
    else:
        lines = [[written.get(name, "") for name in _headless(signature) if name != signature["target"]]]
    return "cat > new.csv <<'END'\n" + "".join(_line(fields, read) for fields in lines) + "END\n"


def _headless(signature: Mapping[str, Any]) -> list[str]:
    """The columns of a file without a header, in order."""
    read = signature["read"]
    if read["columns"] is not None:
        return list(read["columns"])
    names = [column["name"] for column in signature["columns"]]
    return [f"column_{i}" for i in range(1, 1 + max(int(name.rpartition("_")[2]) for name in names))]


def _line(fields: Sequence[str], read: Mapping[str, Any]) -> str:
    separator = read["separator"] or ","
    if read["quoting"] == "none":
        return separator.join(fields) + "\n"
    stream = io.StringIO()
    csv.writer(stream, delimiter=separator, lineterminator="\n").writerow(fields)
    return stream.getvalue()


def _written(column: Mapping[str, Any], signature: Mapping[str, Any], typical: Mapping[str, float]) -> str:
    """A likely value of a column, in the format of its file."""
    name, reading = column["name"], column["reading"]
    if name in signature["clock"]:
        return "1:09"
    if reading["kind"] == "date":
        return "2024-12-31" if reading["format"] == ISO else datetime.date(2024, 12, 31).strftime(reading["format"])
    if reading["kind"] == "number":
        if reading["meanings"]:
            return str(next(iter(reading["meanings"])))
        digits = np.format_float_positional(typical.get(name, 0.0), trim="-")
        return str(digits).replace(".", reading["notation"]["decimal"])
    entry = next(each for each in signature["inputs"] if each["name"] == name)
    return "some words" if entry["kind"] == "text" else str(next(iter(entry["values"]), ""))


def _input(entry: Mapping[str, Any], signature: Mapping[str, Any]) -> list[str]:
    if "shape" in entry:
        rate = f", {entry['rate']:,} samples a second" if "rate" in entry else ""
        return [_code(entry["input"]), "", f"{entry['dtype']}, rows of shape {tuple(entry['shape'])}{rate}"]
    kind = "float64 [rows, 1], NaN where missing" if entry["kind"] == "number" else 'text [rows, 1], "" where missing'
    clock = "; seconds, in a file minutes:seconds" if entry["name"] in signature.get("clock", ()) else ""
    return [_code(entry["input"]), _code(entry["name"]), kind + _meaning(entry) + clock]


def _meaning(entry: Mapping[str, Any]) -> str:
    if "texts" in entry:
        return "; " + ", ".join(f"{_code(text)} = {number:g}" for text, number in entry["texts"].items())
    if "format" in entry:
        return f"; of {_code(entry['of'])}, dates written as {entry['format']}"
    if entry["kind"] == "category":
        known = entry["values"]
        shown = ", ".join(map(_code, known[:8])) + (f" and {len(known) - 8} more" if len(known) > 8 else "")
        return f"; one of {shown}" if known else "; training saw no value"
    return ""


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows))


def _literal(text: str) -> str:
    """Python code for a text, in double quotes: JSON's string literals are valid in Python."""
    return json.dumps(text, ensure_ascii=False)


def _code(text: str) -> str:
    """A name as Markdown code, whatever characters it has."""
    return "`" + str(text).replace("`", "'").replace("|", "¦").replace("\n", " ") + "`"
