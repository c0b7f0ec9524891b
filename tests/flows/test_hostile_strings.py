"""Whole runs in which every string is hostile: the renderers' inputs and the page must hold them as text only."""

from __future__ import annotations

import csv
import html
import json
import stat
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

from reports import notebook, pandoc, render
from reports.kernel import Kernel
from tasks import runs, stages
from tasks.errors import BadInput
from tasks.spec.load import load_spec
from tests.hostile import HOSTILE, LONG, NAMES, NUL, RIGHT_TO_LEFT, SCRIPT, SHORTCODES, unescaped

DESCRIPTION = " ".join(each for each in HOSTILE if each != LONG)
TRAIN = {"epochs": 2, "seeds": 2, "batch_size": 16}
QUARTO = """
    import os, pathlib
    pathlib.Path(os.environ["SEEN"]).write_text(pathlib.Path("comparison.qmd").read_text())
    pathlib.Path(os.environ["SEEN"] + ".yml").write_text(pathlib.Path("parameters.yml").read_text())
    raise SystemExit(1)
"""


def write_table(folder: Path) -> dict[str, Any]:
    """Writes a table with hostile column names, categories, labels and texts, among them one of 10,000 letters."""
    rng = np.random.default_rng(0)
    with (folder / "t.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([SCRIPT, f"{SHORTCODES[0]} category", RIGHT_TO_LEFT, f"{LONG} name", "y"])
        for row in range(96):
            label = (SHORTCODES[1], f"{SCRIPT} {NUL}")[row % 2]
            writer.writerow([rng.normal() + row % 2, HOSTILE[row % len(HOSTILE)], rng.normal(), rng.normal(), label])
    return {"source": "t.csv", "target": "y"}


def write_texts(folder: Path) -> dict[str, Any]:
    with (folder / "t.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([SHORTCODES[0], "y"])
        for row in range(96):
            writer.writerow([f"{HOSTILE[row % len(HOSTILE)]} word {row % 2} {row}", HOSTILE[row % 2]])
    return {"source": "t.csv", "target": "y", "text": [SHORTCODES[0]]}


def write_images(folder: Path) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    for row in range(60):
        place = folder / "pictures" / NAMES[row % 2]
        place.mkdir(parents=True, exist_ok=True)
        _, encoded = cv2.imencode(".png", rng.integers(0, 255, (6, 6, 1), np.uint8))
        (place / f"{row} {NAMES[row % len(NAMES)]}.png").write_bytes(encoded.tobytes())
    (folder / "pictures" / NAMES[0] / f"{NAMES[2]}.png").write_bytes(b"no picture")
    return {"source": "pictures", "unreadable": "skip"}


WAYS = {"table": write_table, "texts": write_texts, "images": write_images}


@pytest.fixture(scope="module", params=list(WAYS))
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> runs.Run:
    """Makes a run up to its verdict, in a folder with a hostile name."""
    folder = tmp_path_factory.mktemp("hostile")
    spec = {"description": DESCRIPTION, "data": WAYS[request.param](folder), "model": "linear", "train": TRAIN}
    spec["report"] = {"show_examples": True}
    if request.param == "texts":
        spec["model"] = "text"
    spec["compare"] = {"optimizer": ["sgd", "adam"]}
    (folder / "spec.yaml").write_text(yaml.safe_dump(spec), encoding="utf-8")
    overrides = [f"description={json.dumps(DESCRIPTION)}"]
    read, text = load_spec(folder / "spec.yaml", overrides)
    opened = runs.open_run(read, text, overrides, folder, folder / "home", folder / NAMES[1])
    dataset = stages.load(opened)
    splits = stages.split(opened, dataset)
    stages.validate(opened, dataset, splits)
    plan, prepared, _ = stages.plan(opened, dataset, splits)
    stages.train(opened, plan, prepared)
    stages.judge(opened, plan, prepared, stages.evaluate(opened, plan, prepared), splits)
    return opened


@pytest.fixture
def quarto(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Installs a program `quarto` that saves its input and fails."""
    program = tmp_path / "quarto"
    program.write_text(f"#!{sys.executable}\n{textwrap.dedent(QUARTO)}", encoding="utf-8")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("SEEN", str(tmp_path / "seen"))
    yield tmp_path / "seen"


def test_every_string_is_text_in_what_renderers_get_and_in_the_page(
    run: runs.Run, quarto: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[str] = []
    executed = notebook.execute
    to_html = pandoc.to_html

    def keep_cells(cells: Any, kernel: Kernel, timeout: float) -> list[str]:
        given.append(json.dumps(cells, ensure_ascii=False))
        failures = executed(cells, kernel, timeout)
        shown = [output for cell in cells.cells if cell.cell_type == "code" for output in cell.outputs]
        given.extend(output.data["text/markdown"] for output in shown if "data" in output)
        return failures

    def keep_markdown(markdown: str, metadata: dict[str, Any]) -> str:
        given.append(yaml.safe_dump(metadata, allow_unicode=True))
        given.append(markdown)
        return to_html(markdown, metadata)

    monkeypatch.setattr(notebook, "execute", keep_cells)
    monkeypatch.setattr(pandoc, "to_html", keep_markdown)
    made = render.render(run.folder)
    assert made.renderer == "pandoc" and made.failures == ()
    given += [quarto.read_text(encoding="utf-8"), quarto.with_name("seen.yml").read_text(encoding="utf-8")]
    assert len(given) > 20
    for text in given:
        assert not unescaped(text), text[:300]
    page = made.path.read_text(encoding="utf-8")
    assert not unescaped(page)
    heading = page.split('<p class="subtitle lead">')[1].split("</p>")[0]
    assert html.unescape(heading) == DESCRIPTION.replace("\u202e", "\ufffd").replace("\0", "\ufffd")
    assert render.outside_references(page) == []


def test_a_name_can_only_be_harmless(tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text("data: {source: wine}\n", encoding="utf-8")
    for name in HOSTILE:
        with pytest.raises(BadInput):
            load_spec(tmp_path / "spec.yaml", [f"name={json.dumps(name)}"])
