"""The deployments as far as they can be looked at without a server, Docker or a cluster."""

from __future__ import annotations

import importlib
import re
from typing import Any

import pytest
import yaml
from prefect.events.schemas.automations import EventTrigger
from prefect.schedules import Schedule

from flows.automations import CRASH_DEAD_RUNS
from flows.monitor import MonitorRequest, monitor
from flows.request import RunRequest, read
from flows.run_page import GATE_FAILED, WRONG_INPUT
from tests.flows.servers import PROJECT

FILES = ["prefect.yaml", "flows/deployments/docker.yaml", "flows/deployments/kubernetes.yaml"]


def load(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((PROJECT / name).read_text(encoding="utf-8"))
    return loaded


@pytest.mark.parametrize("name", FILES)
def test_each_deployment_can_be_run(name: str) -> None:
    deployments = load(name)["deployments"]
    assert [each["name"] for each in deployments] == ["bake-off", "nightly", "monitor"]
    for each in deployments[:2]:
        path, _, function = each["entrypoint"].partition(":")
        module = importlib.import_module(path.removesuffix(".py").replace("/", "."))
        assert getattr(module, function).name == "bakeoff"
        request = RunRequest(**each["parameters"]["request"])
        assert request.fail_on_gate, "a closed gate fails a deployed run"
        assert read(request).spec.train.seeds
        for schedule in each["schedules"]:
            assert Schedule(**schedule).cron
        assert each["concurrency_limit"] == 1
    assert deployments[2]["entrypoint"] == "flows/monitor.py:monitor" and monitor.name == "monitor"
    assert MonitorRequest(**deployments[2]["parameters"]["request"]).data == ""
    assert [Schedule(**each).cron for each in deployments[2]["schedules"]] == ["0 5 * * *"]


def test_all_pools_deploy_the_same() -> None:
    def of(name: str) -> list[Any]:
        return [{key: each[key] for key in ("name", "parameters", "schedules")} for each in load(name)["deployments"]]

    assert of(FILES[0]) == of(FILES[1]) == of(FILES[2])


@pytest.mark.parametrize("name", FILES[1:])
def test_the_images_folder_is_where_the_flow_is_looked_for(name: str) -> None:
    dockerfile = (PROJECT / "Dockerfile").read_text(encoding="utf-8")
    found = load(name)
    folder = found["pull"][0]["prefect.deployments.steps.set_working_directory"]["directory"]
    assert f"WORKDIR {folder}\n" in dockerfile
    for each in found["deployments"]:
        home = each["work_pool"]["job_variables"]["env"]["BAKEOFF_HOME"]
        assert f"BAKEOFF_HOME={home} " in dockerfile


def test_the_image_is_made_of_files_that_exist() -> None:
    dockerfile = (PROJECT / "Dockerfile").read_text(encoding="utf-8")
    for sources in re.findall(r"^COPY --chown=\w+ (.+) \S+$", dockerfile, re.MULTILINE):
        for source in sources.split():
            assert (PROJECT / source).exists(), source
    assert dockerfile.index("USER bakeoff") < dockerfile.index("CMD"), "nothing runs as root"
    ignored = (PROJECT / ".dockerignore").read_text(encoding="utf-8").split()
    assert {".git", ".venv", "data/runs", "data/serve"} <= set(ignored), "no secret and no run is in the image"


def test_every_end_that_the_flow_gives_is_no_crash() -> None:
    trigger = CRASH_DEAD_RUNS.trigger
    assert isinstance(trigger, EventTrigger)
    for name in (GATE_FAILED, WRONG_INPUT, "Completed", "Failed", "Cancelled", "Crashed"):
        assert f"prefect.flow-run.{name}" in trigger.expect
