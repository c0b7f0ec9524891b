"""Writes `predict.py` beside a saved model. It uses copies of the modules that read the training files, so training and
serving read files alike.

The program needs no other part of this project, and only the packages that it names.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tasks.run_folder import write_text

PROGRAM, READER = "predict.py", "reading"
_ROOT = Path(__file__).parents[2]
_PROGRAM = '''"""Answers of the model in this folder for new rows: python predict.py FILE [--output FILE]

FILE is written as the training data were. It is read by the modules in reading/, which are those that read the
training data. README.md says more. Python 3.11 or later, with
{packages}.
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from reading.serving.command import main  # noqa: E402 - Keras reads its settings when it is imported

if __name__ == "__main__":
    sys.exit(main(Path(__file__).resolve().parent))
'''
_PACKAGES = ["tensorflow", "keras", "numpy", "pandas"]
_OF_KIND = {"image": "opencv-python-headless", "sound": "soundfile"}


def write_program(folder: Path, kind: str, *, estimator: bool = False) -> None:
    """Writes `predict.py` and the modules that it needs, as package `reading`, into a model's folder.

    Args:
        kind: The kind of the model's first input, from its signature.
        estimator: Whether a model of scikit-learn's is shipped.
    """
    for path in sorted(modules("tasks.serving.command")):
        copy = folder / READER / path.relative_to(_ROOT / "tasks")
        copy.parent.mkdir(parents=True, exist_ok=True)
        write_text(copy, re.sub(r"^( *)(from|import) tasks\b", rf"\1\2 {READER}", path.read_text("utf-8"), flags=re.M))
    more = [_OF_KIND[kind]] if kind in _OF_KIND else ["pyarrow for Parquet", "openpyxl or xlrd for Excel"]
    packages = ", ".join([*_PACKAGES, *(["scikit-learn", "skops"] if estimator else []), *more])
    write_text(folder / PROGRAM, _PROGRAM.format(packages=packages))


def modules(start: str) -> set[Path]:
    """The files of a module of this project and of all modules that are imported when it runs, including
    `__init__.py`."""
    found: set[Path] = set()
    waiting = [start]
    while waiting:
        name = waiting.pop()
        parents = [name.rpartition(".")[0]] if "." in name else []
        path = _file(name)
        if path is None or path in found:
            continue
        found.add(path)
        waiting += [*parents, *_imported(ast.parse(path.read_text("utf-8")))]
    return found


def _file(module: str) -> Path | None:
    place = _ROOT.joinpath(*module.split("."))
    return next((path for path in (place.with_suffix(".py"), place / "__init__.py") if path.is_file()), None)


def _imported(node: ast.AST) -> Iterator[str]:
    """Yields modules of this project in import statements, except those in blocks for type checkers only."""
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        return
    if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "tasks":
        yield node.module
        yield from (f"{node.module}.{each.name}" for each in node.names)  # these may be modules, too
    for child in ast.iter_child_nodes(node):
        yield from _imported(child)
