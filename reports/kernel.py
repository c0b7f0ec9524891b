"""The process that runs a report's cells. It can be started before it is needed: it imports what reports need while the
caller goes on. It ends with the block that opened it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Coroutine
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from nbformat import NotebookNode

_PROJECT = Path(__file__).resolve().parents[1]
_SECRETS = ("PREFECT_", "BAKEOFF_REPORTS")
_PATIENCE = 30.0
"""Most seconds to wait for a kernel to end."""
_FIRST = "import reports.sections; from reports.figures.place import prepare; prepare()"
"""Code that the kernel runs at its start, so that the first cell need not wait for imports."""


class Kernel:
    """A Jupyter kernel with this interpreter. It reads and writes nothing of the user's Jupyter or IPython set-up.

    Args:
        folder: The kernel's working folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ends = ExitStack()
        self._loop = asyncio.new_event_loop()
        # In the main thread nbclient would take SIGINT and SIGTERM for itself, and stop with an AssertionError.
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        from jupyter_client.kernelspec import KernelSpecManager
        from jupyter_client.manager import AsyncKernelManager

        private = Path(self._ends.enter_context(tempfile.TemporaryDirectory(prefix="bakeoff-kernel-")))
        own = private / "kernels" / "report"
        own.mkdir(parents=True)
        (own / "kernel.json").write_text(json.dumps(_SPECIFICATION), encoding="utf-8")
        self._manager = AsyncKernelManager(
            kernel_name="report",
            kernel_spec_manager=KernelSpecManager(kernel_dirs=[str(own.parent)], ensure_native_kernel=False),
            connection_file=str(private / "connection.json"),
            transport="ipc",  # files in `private` instead of ports that others can reach
            ip=str(private / "socket"),
        )
        self._thread.start()
        self._started = asyncio.run_coroutine_threadsafe(self._start(private), self._loop)
        return self

    async def _start(self, private: Path) -> None:
        await self._manager.start_kernel(
            cwd=str(self.folder),
            env=kernel_environment(private),
            # Output of cells comes as messages. On its own stderr a kernel sometimes prints how it was shut down.
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def __exit__(self, *error: object) -> None:
        try:
            asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(timeout=_PATIENCE)
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()
            self._ends.close()

    async def _end(self) -> None:
        await asyncio.wrap_future(self._started)
        if self._manager.has_kernel:
            await self._manager.shutdown_kernel(now=True)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    def execute(self, notebook: NotebookNode, timeout: float) -> NotebookNode | None:
        """Runs the cells, and puts their outputs and errors into `notebook`. Call it once.

        Args:
            timeout: Seconds for one cell. A cell that takes longer is interrupted, which counts as an error.

        Returns:
            The cell in which the kernel died; None if it did not die.
        """
        from nbclient import NotebookClient
        from nbclient.exceptions import DeadKernelError

        self._started.result()
        begun: list[NotebookNode] = []
        client = NotebookClient(
            notebook,
            km=self._manager,
            timeout=int(timeout),
            interrupt_on_timeout=True,
            allow_errors=True,
            on_cell_execute=lambda cell, cell_index: begun.append(cell),
        )
        try:
            self._wait(client.async_execute(cleanup_kc=True))
        except DeadKernelError:
            return begun[-1] if begun else next(cell for cell in notebook.cells if cell.cell_type == "code")
        return None

    def _wait(self, work: Coroutine[Any, Any, Any]) -> None:
        """Runs a coroutine to its end. If this call is interrupted, cancels the coroutine and waits until it ended."""
        interrupted, over = threading.Event(), threading.Event()

        async def to_its_end() -> None:
            try:
                await work
            except Exception:  # after an interrupt nobody is left to receive errors of the ended kernel
                if not interrupted.is_set():
                    raise
            finally:
                over.set()

        future = asyncio.run_coroutine_threadsafe(to_its_end(), self._loop)
        try:
            future.result()
        except BaseException:
            interrupted.set()
            future.cancel()
            over.wait(timeout=_PATIENCE)
            raise


def kernel_environment(private: Path) -> dict[str, str]:
    """Returns the environment of a kernel that finds this project and leaves nothing behind outside `private`. It lacks
    a worker's password and the token of its reports, so that no cell can show them."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(_SECRETS)}
    path = os.pathsep.join(filter(None, [str(_PROJECT), os.environ.get("PYTHONPATH")]))
    return own | {
        "IPYTHONDIR": str(private / "ipython"),
        "PYTHONPATH": path,
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }


_SPECIFICATION = {
    "argv": [
        sys.executable,
        "-m",
        "ipykernel_launcher",
        "-f",
        "{connection_file}",
        "--HistoryManager.enabled=False",
        f"--IPKernelApp.exec_lines=['{_FIRST}']",
    ],
    "display_name": "Bakeoff report",
    "language": "python",
}
