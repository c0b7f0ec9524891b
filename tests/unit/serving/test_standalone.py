"""What predict.py brings along imports nothing of this project's other parts, and few packages."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import tasks
from tasks.serving.standalone import modules, write_program

ALONE = {"__future__", "reading"}
AT_ONCE = {"numpy", "pandas"}
WHERE_NEEDED = {"keras", "cv2", "soundfile", "pyarrow", "sklearn", "skops", "scipy"}


def imported(path: Path) -> Iterator[tuple[str, bool]]:
    """Packages that a file imports when it runs, and whether it does so at once."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((each.name.split(".")[0], node in tree.body) for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").split(".")[0], node in tree.body


def test_its_modules_need_little(tmp_path: Path) -> None:
    write_program(tmp_path, "category")
    files = [tmp_path / "predict.py", *(tmp_path / "reading").rglob("*.py")]
    assert len(files) == 1 + len(modules("tasks.serving.command"))
    found = {package for path in files for package in imported(path)}
    others = {each for each in found if each[0] not in sys.stdlib_module_names | ALONE}
    assert {name for name, at_once in others if at_once} == AT_ONCE
    assert {name for name, _ in others} == AT_ONCE | WHERE_NEEDED


def test_they_are_the_modules_that_training_reads_by(tmp_path: Path) -> None:
    write_program(tmp_path, "category")
    source = Path(tasks.__file__).parent
    for copy in (tmp_path / "reading").rglob("*.py"):
        original = (source / copy.relative_to(tmp_path / "reading")).read_text(encoding="utf-8")
        same = [one == other for one, other in zip(original.splitlines(), copy.read_text().splitlines(), strict=True)]
        assert all(equal or " tasks" in line for equal, line in zip(same, original.splitlines(), strict=True))
