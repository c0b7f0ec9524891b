"""A Quarto document without Quarto: nbclient runs its cells, their outputs take their place as Markdown.

Of Quarto's language this knows what the report uses: front matter, python cells with the `#| ` options
`echo`, `include`, `label` and `tags`, and the tag `parameters` as papermill treats it. Outputs stand in the
text as they are, which Quarto's `output: asis` asks for.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from reports.escape import safe_lines
from reports.markup import fold, not_made, raw

if TYPE_CHECKING:
    from nbformat import NotebookNode

RUN = "run"
"""What the run's folder is called beside the document: a link, so that no name of a user's stands in a cell."""

_FRONT = re.compile(r"\A---\n(?P<yaml>.*?)\n---\n", re.DOTALL)
_CELL = re.compile(r"^```\{python\}\n(?P<source>.*?)^```$\n?", re.DOTALL | re.MULTILINE)
_OPTION = re.compile(r"^#\| ?(?P<yaml>.*)$")
_PROJECT = Path(__file__).resolve().parents[1]

# What a cell may show, the first it offers being taken.
_SHOWN = {
    "text/markdown": lambda text: text,
    "text/html": raw,
    "image/svg+xml": raw,
    "image/png": lambda data: raw(f'<img src="data:image/png;base64,{data.strip()}" alt="">'),
    "text/plain": lambda text: raw(f"<pre>{safe_lines(text)}</pre>"),
}


def front_matter(document: str) -> tuple[dict[str, Any], str]:
    """The document's metadata, and the rest of its text."""
    found = _FRONT.match(document)
    return (yaml.safe_load(found["yaml"]) or {}, document[found.end() :]) if found else ({}, document)


def to_notebook(document: str, parameters: Mapping[str, Any]) -> NotebookNode:
    """The document as a notebook, with a cell that sets `parameters` after the one tagged so.

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


def execute(notebook: NotebookNode, folder: Path, timeout: float) -> list[str]:
    """Runs the cells in `folder` with this interpreter; outputs, errors too, are put into `notebook`.

    Nothing of the user's Jupyter or IPython set-up is read or written.

    Args:
        timeout: Seconds for one cell; its interruption counts as its error.

    Returns:
        A sentence for each cell that failed.
    """
    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager
    from nbclient import NotebookClient
    from nbclient.exceptions import DeadKernelError

    with tempfile.TemporaryDirectory(prefix="bakeoff-kernel-") as private:
        own = Path(private) / "kernels" / "report"
        own.mkdir(parents=True)
        (own / "kernel.json").write_text(json.dumps(_KERNEL), encoding="utf-8")
        manager = AsyncKernelManager(
            kernel_name="report",
            kernel_spec_manager=KernelSpecManager(kernel_dirs=[str(own.parent)], ensure_native_kernel=False),
            connection_file=str(Path(private) / "connection.json"),
            transport="ipc",  # files in `private` instead of ports that others can reach
            ip=str(Path(private) / "socket"),
        )
        begun: list[NotebookNode] = []
        client = NotebookClient(
            notebook,
            km=manager,
            timeout=int(timeout),
            interrupt_on_timeout=True,
            allow_errors=True,
            on_cell_execute=lambda cell, cell_index: begun.append(cell),
        )
        try:
            _run_aside(
                client.async_execute(
                    cwd=str(folder),
                    env=kernel_environment(Path(private)),
                    cleanup_kc=True,
                    # What cells say comes as messages. On its own stderr a kernel now and then prints how it was shut
                    # down.
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
            )
        except DeadKernelError:
            _note_death(begun[-1] if begun else next(cell for cell in notebook.cells if cell.cell_type == "code"))
    return _failures(notebook)


def _run_aside(work: Coroutine[Any, Any, Any]) -> None:
    """Runs a coroutine to its end in a thread of its own. In the main thread nbclient would take SIGINT and SIGTERM for
    itself, and stop with an AssertionError; so they interrupt this call, and the kernel is shut down."""
    loop = asyncio.new_event_loop()
    task = loop.create_task(work)
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(loop.run_until_complete, task)
        try:
            future.result()
        except BaseException:
            if not future.done():
                loop.call_soon_threadsafe(task.cancel)
            raise
    loop.close()


def _note_death(cell: NotebookNode) -> None:
    from nbformat.v4 import new_output

    said = "the process that runs the report's cells died; what follows this cell is missing"
    cell.outputs.append(new_output("error", ename="DeadKernelError", evalue=said, traceback=[]))


_SECRETS = ("PREFECT_", "BAKEOFF_REPORTS")


def kernel_environment(private: Path) -> dict[str, str]:
    """The environment of a kernel that finds this project and leaves nothing behind outside `private`. A worker's
    password and the token of its reports are not in it: nothing that runs there could show them."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(_SECRETS)}
    path = os.pathsep.join(filter(None, [str(_PROJECT), os.environ.get("PYTHONPATH")]))
    return own | {
        "IPYTHONDIR": str(private / "ipython"),
        "PYTHONPATH": path,
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }


_KERNEL = {
    "argv": [
        sys.executable,
        "-m",
        "ipykernel_launcher",
        "-f",
        "{connection_file}",
        "--HistoryManager.enabled=False",
    ],
    "display_name": "Bakeoff report",
    "language": "python",
}


def _failures(notebook: NotebookNode) -> list[str]:
    return [
        f"cell {cell.metadata.options.get('label', '?')} failed: {output.ename}: {output.evalue}"
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if output.output_type == "error"
    ]


def to_markdown(notebook: NotebookNode) -> str:
    """The executed notebook as one Markdown text."""
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
