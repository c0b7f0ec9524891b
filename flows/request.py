"""The request of a run: the form behind "Custom run" in Prefect's UI, and its checks before anything heavy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from flows.environment import home_folder
from flows.experiments import find, shipped
from tasks.errors import BadInput
from tasks.run_folder import Stage
from tasks.spec.lessons import LessonSpec
from tasks.spec.load import MAX_BYTES, at_lines, load_experiment, read_experiment
from tasks.spec.models import Spec


def _list_experiments(schema: dict[str, Any]) -> None:
    """Fills the form's list: the shipped experiments and the YAML files of `experiments/` in the home folder. Only the
    form is bound to the list: the command takes a path as well."""
    own = sorted((home_folder() / "experiments").glob("*.yaml"))
    schema["enum"] = [*shipped(), *map(str, own)]


class RunRequest(BaseModel):
    """What to run. Every field is a plain one, so that the form has no parts that open."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    experiment: str = Field(
        "digits",
        title="Experiment",
        min_length=1,
        description="One of the list.",
        json_schema_extra=_list_experiments,
    )
    path: str = Field("", title="Or a file", description="The path of a YAML file on the worker's machine.")
    spec: str = Field("", title="Or a spec", max_length=MAX_BYTES, description="A whole spec, written here as YAML.")
    set: list[Annotated[str, Field(pattern=r"^[^=\s]+=")]] = Field(
        [], title="Overrides", description="Each as path=value, such as train.epochs=5."
    )
    seeds: int = Field(0, ge=0, le=1000, title="Seeds", description="Trials of each recipe; 0: as the spec says.")
    budget: int = Field(
        0, ge=0, title="Budget", description="Settings that a search tries for each recipe; 0: as the spec says."
    )
    fail_on_gate: bool = Field(
        True,
        title="Fail on a gate",
        description="End as failed when a gate of severity block fails or is undecided.",
    )
    run_dir: str = Field("", title="Run folder", description="Empty: a new one under the home folder.")
    start_from: Stage = Field("load", title="From stage", description="Go on in the given run folder from this stage.")

    @property
    def overrides(self) -> list[str]:
        """All changes to the spec, as `path=value`."""
        seeds = [f"train.seeds={self.seeds}"] if self.seeds else []
        budget = [f"tune.trials={self.budget}"] if self.budget else []
        return [*self.set, *seeds, *budget]


@dataclass(frozen=True)
class Requested:
    """A request whose spec is read.

    Args:
        spec: The spec with the overrides.
        text: The spec as written.
        file: The spec's file name in messages.
        base: The folder that relative data paths start from.
        said: The experiment, as the command would name it.
    """

    spec: Spec | LessonSpec
    text: str
    file: str
    base: Path
    said: str


_INLINE = "spec.yaml"


def read(request: RunRequest) -> Requested:
    """Reads the experiment that a request names.

    Raises:
        BadInput: it names two, there is none of that name, or its spec is wrong.
    """
    if request.path and request.spec.strip():
        raise BadInput("a file and a spec are both given", where="Or a spec", remedy="leave one of them empty")
    if request.spec.strip():
        spec = read_experiment(request.spec, _INLINE, request.overrides)
        return Requested(spec, request.spec, _INLINE, Path.cwd(), _INLINE)
    said = request.path or request.experiment
    path = find(said)
    spec, text = load_experiment(path, request.overrides)
    return Requested(spec, text, path.name, path.parent, said)


def check(requested: Requested, home: Path) -> None:
    """Checks all that can be known within seconds: the search, the data's source, a small table, a folder to write to.

    Raises:
        BadInput: something is wrong; with the line of the spec where it stands in one.
    """
    from flows.disk import check_writable
    from tasks.datasets.sources import check_source
    from tasks.planning.searches import check_search
    from tasks.runs import check_table

    check_writable(home)
    if isinstance(requested.spec, LessonSpec):
        return
    with at_lines(requested.file, requested.text):
        check_search(requested.spec)
        check_source(requested.spec.data, requested.base)
        check_table(requested.spec, requested.base, home)
