"""Runs a Quarto document without Quarto: nbclient runs its cells, and their outputs replace them as Markdown.

It knows the parts of Quarto's language that the report uses: front matter, python cells with the `#| ` options
`echo`, `include`, `label` and `tags`, and the tag `parameters` as papermill treats it. Outputs are put into the
text unchanged, as with Quarto's `output: asis`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import yaml

from reports.escape import safe_lines
from reports.markup import fold, not_made, raw

if TYPE_CHECKING:
    from nbformat import NotebookNode

    from reports.kernel import Kernel

RUN = "run"
"""Name of the link to the run's folder beside the document. Because of the link, no cell holds a user's folder name."""

_FRONT = re.compile(r"\A---\n(?P<yaml>.*?)\n---\n", re.DOTALL)
_CELL = re.compile(r"^```\{python\}\n(?P<source>.*?)^```$\n?", re.DOTALL | re.MULTILINE)
_OPTION = re.compile(r"^#\| ?(?P<yaml>.*)$")

# Output types that a cell may show. The first of these that the cell offers is taken.
_SHOWN = {
    "text/markdown": lambda text: text,
    "text/html": raw,
    "image/svg+xml": raw,
    "image/png": lambda data: raw(f'<img src="data:image/png;base64,{data.strip()}" alt="">'),
    "text/plain": lambda text: raw(f"<pre>{safe_lines(text)}</pre>"),
}


def front_matter(document: str) -> tuple[dict[str, Any], str]:
    """Returns the document's metadata, and the rest of its text."""
    found = _FRONT.match(document)
    return (yaml.safe_load(found["yaml"]) or {}, document[found.end() :]) if found else ({}, document)


def to_notebook(document: str, parameters: Mapping[str, Any]) -> NotebookNode:
    """Returns the document as a notebook. A cell that sets `parameters` follows the cell tagged `parameters`.

    Raises:
        ValueError: there are parameters, and no cell is tagged `parameters`.
    """
    from nbformat.v4 import new_markdown_cell, new_notebook

    metadata, body = front_matter(document)
    defaults = metadata.get("execute", {})
    cells, end = [], 0
    for found in _CELL.finditer(body):
        cells.append(new_markdown_cell(body[end : found.start()]))
        cells.append(_code_cell(found["source"], defaults))
        end = found.end()
    cells.append(new_markdown_cell(body[end:]))
    return new_notebook(cells=_with_parameters(cells, parameters) if parameters else cells)


def _code_cell(source: str, defaults: Mapping[str, Any]) -> NotebookNode:
    from nbformat.v4 import new_code_cell

    lines = source.splitlines()
    count = next((i for i, line in enumerate(lines) if not _OPTION.match(line)), len(lines))
    written = yaml.safe_load("\n".join(line.removeprefix("#|").removeprefix(" ") for line in lines[:count])) or {}
    options = {**defaults, **written}
    return new_code_cell("\n".join(lines[count:]), metadata={"options": options, "tags": options.get("tags", [])})


def _with_parameters(cells: list[NotebookNode], parameters: Mapping[str, Any]) -> list[NotebookNode]:
    from nbformat.v4 import new_code_cell

    tagged = [i for i, cell in enumerate(cells) if "parameters" in cell.metadata.get("tags", [])]
    if not tagged:
        raise ValueError(f"no cell is tagged parameters, so {', '.join(parameters)} would be ignored")
    source = "\n".join(f"{name} = {value!r}" for name, value in parameters.items())
    injected = new_code_cell(source, metadata={"options": {"include": False}, "tags": ["injected-parameters"]})
    return [*cells[: tagged[0] + 1], injected, *cells[tagged[0] + 1 :]]


def execute(notebook: NotebookNode, kernel: Kernel, timeout: float) -> list[str]:
    """Runs the cells, and puts their outputs and errors into `notebook`.

    Args:
        kernel: The started kernel that runs the cells.
        timeout: Seconds for one cell. A cell that takes longer is interrupted, which counts as an error.

    Returns:
        A sentence for each cell that failed.
    """
    died_in = kernel.execute(notebook, timeout)
    if died_in is not None:
        _note_death(died_in)
    return _failures(notebook)


def _note_death(cell: NotebookNode) -> None:
    from nbformat.v4 import new_output

    said = "the process that runs the report's cells died; what follows this cell is missing"
    cell.outputs.append(new_output("error", ename="DeadKernelError", evalue=said, traceback=[]))


def _failures(notebook: NotebookNode) -> list[str]:
    return [
        f"cell {cell.metadata.options.get('label', '?')} failed: {output.ename}: {output.evalue}"
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if output.output_type == "error"
    ]


def to_markdown(notebook: NotebookNode) -> str:
    """Returns the executed notebook as one Markdown text."""
    return "\n\n".join(cell.source if cell.cell_type == "markdown" else _outputs(cell) for cell in notebook.cells)


def _outputs(cell: NotebookNode) -> str:
    options = cell.metadata.options
    blocks = [
        _block(output) for output in cell.outputs if options.get("include", True) or output.output_type == "error"
    ]
    if options.get("echo", True) and options.get("include", True) and cell.source.strip():
        blocks.insert(0, raw(fold("Code", f"<pre>{safe_lines(cell.source)}</pre>")))
    return "\n\n".join(filter(None, blocks))


def _block(output: NotebookNode) -> str:
    if output.output_type == "error":
        return not_made(output.ename, output.evalue, others="")
    if output.output_type == "stream":
        return raw(f"<pre>{safe_lines(output.text)}</pre>") if output.name == "stdout" else ""
    kind = next((kind for kind in _SHOWN if kind in output.data), None)
    return _SHOWN[kind](output.data[kind]) if kind else ""
