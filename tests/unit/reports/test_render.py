"""Both renderers: what is asked of Quarto, what happens where it fails, what the other one makes."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from reports import notebook, pandoc, render
from reports.escape import safe
from reports.kernel import Kernel, kernel_environment
from tasks.records.verdict import Verdict
from tests.synthetic_run import write_synthetic_run

GOOD = """
    import json, os, pathlib, sys
    import yaml
    words = sys.argv[1:]
    seen = {
        "words": words,
        "folder": sorted(os.listdir()),
        "theme": sorted(os.listdir("theme")),
        "parameters": yaml.safe_load(pathlib.Path("parameters.yml").read_text()),
        "document": pathlib.Path("comparison.qmd").read_text(),
        "run": str(pathlib.Path("run").resolve()),
        "python": os.environ["QUARTO_PYTHON"],
        "path": os.environ["PYTHONPATH"],
    }
    pathlib.Path(os.environ["SEEN"]).write_text(json.dumps(seen))
    pathlib.Path("report.html").write_text("<title>made by quarto</title><a href='https://a.example'>a</a>")
"""


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_synthetic_run(tmp_path / "a run # with: signs", recipes=2, seeds=2, rows=200, search=3)


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Puts a `quarto` on the path that does what the given Python says."""

    def _install(source: str) -> None:
        folder = tmp_path / "bin"
        folder.mkdir()
        program = folder / "quarto"
        program.write_text(f"#!{sys.executable}\n{textwrap.dedent(source)}", encoding="utf-8")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
        monkeypatch.setenv("SEEN", str(tmp_path / "seen.json"))

    return _install


@pytest.fixture
def quick_pandoc(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stands in for the other renderer, which the tests below only want to see called."""
    monkeypatch.setattr(render, "_by_pandoc", lambda *given: ("made by pandoc", []))


def test_a_process_that_was_started_before_makes_the_same_report_and_ends(run: Path) -> None:
    before = render.render(run, renderer="pandoc").path.read_text(encoding="utf-8")
    (run / "report.html").unlink()
    with render.ready(run) as waiting:
        made = render.render(run, renderer="pandoc", made_ready=waiting)
        assert made.failures == () and made.path.read_text(encoding="utf-8") == before
    assert not waiting.folder.exists()
    with render.ready(run) as unused:
        assert unused.folder.exists()
    mine = f"/proc/{os.getpid()}/task/{os.getpid()}/children"
    children = [Path("/proc", child, "cmdline") for child in Path(mine).read_text().split()]
    assert not [each for each in children if each.exists() and "ipykernel" in each.read_text()]


def test_quarto_gets_a_private_copy_its_parameters_and_this_interpreter(run: Path, install, tmp_path: Path) -> None:
    install(GOOD)
    made = render.render(run)
    assert (made.renderer, made.warnings) == ("quarto", ())
    assert made.path == run / "report.html"
    assert "made by quarto" in made.path.read_text()
    seen = yaml.safe_load((tmp_path / "seen.json").read_text())
    assert seen["words"] == [
        *("render", "comparison.qmd", "--to", "html", "--output", "report.html"),
        *("--execute-params", "parameters.yml", "--no-execute-daemon"),
    ]
    assert seen["folder"] == ["comparison.qmd", "parameters.yml", "run", "theme"]
    assert "report.css" in seen["theme"]
    assert seen["parameters"] == {"run": "run", "renderer": "Quarto"}
    assert seen["run"] == str(run)
    assert seen["python"] == sys.executable
    assert str(Path(render.__file__).parents[1]) in seen["path"]
    metadata, _ = notebook.front_matter(seen["document"])
    assert metadata["title"] == "Bakeoff report"
    html = metadata["format"]["html"]
    assert html["embed-resources"] is True
    assert html["html-math-method"] == "mathml"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (
            "import sys; print('papermill is missing\\n', file=sys.stderr); sys.exit(1)",
            "it ended with 1: papermill is missing",
        ),
        ("pass", "without a page"),
        ("open('report.html', 'w')", "without a page"),
        ("import time; time.sleep(60)", "longer than 1 s"),
        (
            "open('report.html', 'w').write('<script src=\"https://cdn.example/x.js\"></script>')",
            "refers to https://cdn",
        ),
    ],
)
def test_where_quarto_fails_pandoc_steps_in(
    run: Path, install, quick_pandoc: None, monkeypatch: pytest.MonkeyPatch, source: str, said: str
) -> None:
    install(source)
    monkeypatch.setattr(render, "_QUARTO_TIMEOUT", 1.0 if "sleep" in source else 30.0)
    made = render.render(run)
    assert made.renderer == "pandoc"
    assert made.path.read_text() == "made by pandoc"
    assert len(made.warnings) == 1
    assert said in made.warnings[0]


def test_a_hanging_quarto_is_stopped_with_its_children(
    run: Path, install, quick_pandoc: None, monkeypatch, tmp_path
) -> None:
    install(
        """
        import os, pathlib, subprocess, sys, time
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        pathlib.Path(os.environ["SEEN"]).write_text(str(child.pid))
        time.sleep(60)
        """
    )
    monkeypatch.setattr(render, "_QUARTO_TIMEOUT", 2.0)
    render.render(run)
    child = Path("/proc", (tmp_path / "seen.json").read_text(), "stat")
    assert not child.exists() or child.read_text().split()[2] == "Z"


def test_without_quarto(run: Path, quick_pandoc: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert render.render(run).warnings == ()
    assert "not installed" in render.render(run, renderer="quarto").warnings[0]


def test_the_other_renderer_makes_one_page_that_fetches_nothing(run: Path) -> None:
    made = render.render(run, renderer="pandoc")
    page = made.path.read_text(encoding="utf-8")
    assert (made.renderer, made.warnings) == ("pandoc", ())
    assert render.outside_references(page) == []
    assert "<title>synthetic</title>" in page
    assert "default-src 'none'" in page
    assert 'lang="en"' in page
    assert page.count('class="vega-chart"') >= 6
    assert page.count("<h1") == 1
    assert "nbclient and pandoc" in page
    assert page.index('id="comparison"') < page.index('id="tuning"') < page.index('id="learning-curves"')
    assert 'id="augmentation"' not in page, "no recipe augments"
    assert 'href="#tuning"' in page
    assert not [path for path in run.iterdir() if path.name.startswith(".")]


def test_a_cell_that_fails_says_so_in_its_place(run: Path) -> None:
    verdict = Verdict.read(run)
    unheard = [replace(each, answer="unheard of") for each in verdict.against_baselines]
    replace(verdict, against_baselines=unheard).write(run)
    made = render.render(run, renderer="pandoc")
    page = made.path.read_text(encoding="utf-8")
    assert made.failures == ("cell report failed: ReportIncomplete: baselines: KeyError: 'unheard of'",)
    with pytest.raises(render.ReportFailed, match="incomplete: cell report failed"):
        made.check()
    assert page.index("This report is incomplete") < page.index('id="comparison"')
    assert "This part of the report could not be made" in page
    assert 'id="reproduce"' in page


def test_a_kernel_that_dies_makes_a_report_that_says_so(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document = render._DOCUMENT.read_text(encoding="utf-8")
    killing = "```{python}\n#| label: killed\nimport os\nos.kill(os.getpid(), 9)\n```\n\n"
    broken = run / "broken.qmd"
    broken.write_text(document.replace("```{python}\n#| label: report", f"{killing}```{{python}}\n#| label: report"))
    monkeypatch.setattr(render, "_DOCUMENT", broken)
    made = render.render(run, renderer="pandoc")
    assert len(made.failures) == 1
    assert made.failures[0].startswith("cell killed failed: DeadKernelError: the process that runs the report")
    page = made.path.read_text(encoding="utf-8")
    assert "This report is incomplete" in page and "died" in page and "<title>synthetic</title>" in page


def test_an_interrupt_ends_the_cells_and_leaves_no_process(tmp_path: Path) -> None:
    source = """
        import os, pathlib, signal, sys, threading, time
        from reports import notebook
        from reports.kernel import Kernel
        cell = "import os, pathlib, time\\npathlib.Path('pid').write_text(str(os.getpid()))\\ntime.sleep(60)"

        def interrupt():
            while not pathlib.Path("pid").exists():
                time.sleep(0.1)
            os.kill(os.getpid(), signal.SIGINT)

        signal.signal(signal.SIGINT, signal.default_int_handler)
        threading.Thread(target=interrupt, daemon=True).start()
        try:
            with Kernel(pathlib.Path.cwd()) as kernel:
                notebook.execute(notebook.to_notebook("```{python}\\n" + cell + "\\n```", {}), kernel, 60)
        except KeyboardInterrupt:
            sys.exit(130)
    """
    environment = os.environ | {"PYTHONPATH": str(Path(render.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(source)], cwd=tmp_path, env=environment, timeout=60)
    assert done.returncode == 130
    kernel = Path("/proc", (tmp_path / "pid").read_text(), "stat")
    assert not kernel.exists() or kernel.read_text().split()[2] == "Z"


@pytest.mark.parametrize(
    ("page", "found"),
    [
        ('<link rel="stylesheet" href="https://fonts.example/a.css">', ["https://fonts.example/a.css"]),
        ("<img alt='x' src=//cdn.example/a.png>", ["//cdn.example/a.png"]),
        ("<style>@import url('http://a.example/b.css')</style>", ["http://a.example/b.css"]),
        ("<style>b{background:url(https://a.example/b.png)}</style>", ["https://a.example/b.png"]),
        ("<a href='https://a.example'>a link</a><img src='data:image/png;base64,AA'>", []),
        ("<p>&#60;script src=https://a.example&#62;</p>", []),
    ],
)
def test_outside_references(page: str, found: list[str]) -> None:
    assert render.outside_references(page) == found


DOCUMENT = """---
title: a
execute:
  echo: false
---

Before

```{python}
#| tags: [parameters]
name = "default"
```

```{python}
#| label: shown
#| echo: true
print(f"<{name}>")
```

```{python}
#| label: broken
1 / 0
```

```python
not run
```
"""


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory):
    cells = notebook.to_notebook(DOCUMENT, {"name": 'it\'s "quoted"'})
    with Kernel(tmp_path_factory.mktemp("cells")) as kernel:
        failures = notebook.execute(cells, kernel, 60)
    return notebook.to_markdown(cells), failures


def test_parameters_replace_the_defaults(executed) -> None:
    assert str(safe('<it\'s "quoted">')) in executed[0]


def test_cells_and_text_keep_their_order_and_options(executed) -> None:
    markdown, failures = executed
    assert (
        markdown.index("Before")
        < markdown.index("quoted")
        < markdown.index("ZeroDivisionError")
        < markdown.index("not run")
    )
    assert markdown.count("<summary>Code</summary>") == 1
    assert failures == ["cell broken failed: ZeroDivisionError: division by zero"]


def test_parameters_without_a_cell_for_them_are_refused() -> None:
    with pytest.raises(ValueError, match="no cell is tagged parameters"):
        notebook.to_notebook("---\ntitle: a\n---\n", {"run": "x"})


def test_a_cell_that_hangs_is_interrupted(tmp_path: Path) -> None:
    document = "```{python}\n#| label: slow\nimport time; time.sleep(60)\n```\n\n```{python}\nprint('after')\n```\n"
    cells = notebook.to_notebook(document, {})
    with Kernel(tmp_path) as kernel:
        failures = notebook.execute(cells, kernel, 2)
    assert failures == ["cell slow failed: KeyboardInterrupt: "]
    assert "after" in notebook.to_markdown(cells)


def test_what_the_first_chart_and_the_script_take_is_done_before_the_first_cell(tmp_path: Path) -> None:
    document = "```{python}\nfrom reports.figures.place import library\nassert library.cache_info().currsize\n```\n"
    cells = notebook.to_notebook(document, {})
    with Kernel(tmp_path) as kernel:
        assert notebook.execute(cells, kernel, 60) == []


def test_callouts_and_tabsets_take_quartos_shape() -> None:
    page = pandoc.to_html(
        '::: {.callout-warning title="Look"}\nout\n:::\n\n'
        '::: {.callout-note collapse="true"}\nfolded\n:::\n\n'
        "::: {.panel-tabset}\n\n### One\n\nfirst\n\n### Two\n\nsecond\n\n:::\n",
        {"title": "t", "lang": "en"},
    )
    page = page.split("<main")[1].split("</main>")[0]
    assert 'class="callout callout-warning"' in page
    assert '<details class="callout callout-note">' in page
    assert page.count('role="tab"') == page.count('role="tabpanel"') == 2
    assert page.count('aria-selected="true"') == 1
    assert "<h3" not in page


def test_no_secret_of_a_worker_reaches_the_cells(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("PREFECT_API_AUTH_STRING", "PREFECT_API_KEY", "BAKEOFF_REPORTS", "BAKEOFF_REPORTS_TOKEN"):
        monkeypatch.setenv(name, "secret")
    assert "secret" not in kernel_environment(tmp_path).values()
