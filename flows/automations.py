"""What the server is to do by itself: mark as crashed the runs whose process is gone.

Worker and run can be killed together, by a power cut or for memory. Nobody is left then to say so, and the run would
stand as running for ever. As Prefect documents it, runs give a sign of life (`PREFECT_FLOWS_HEARTBEAT_FREQUENCY`) and
an automation waits for the next one: docs.prefect.io, "How to detect and respond to zombie flows".
"""

from __future__ import annotations

from datetime import timedelta

from prefect import get_client
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification

from flows.run_page import GATE_FAILED, WRONG_INPUT

HEARTBEAT_SECONDS = 30
"""The shortest that Prefect takes."""
_MISSED = 3
_HEARTBEAT = "prefect.flow-run.heartbeat"
_ENDS = ("Completed", "Failed", "Cancelled", "Crashed", "TimedOut", GATE_FAILED, WRONG_INPUT)
"""Events are called by the state's name. An end that is missing here would be turned into a crash."""

CRASH_DEAD_RUNS = AutomationCore(
    name="Crash runs that give no sign of life",
    description=f"No heartbeat for {_MISSED * HEARTBEAT_SECONDS} s: the run's process is gone.",
    trigger=EventTrigger(
        after={_HEARTBEAT},
        expect={_HEARTBEAT, *(f"prefect.flow-run.{name}" for name in _ENDS)},
        match=ResourceSpecification({"prefect.resource.id": ["prefect.flow-run.*"]}),
        for_each={"prefect.resource.id"},
        posture=Posture.Proactive,
        threshold=1,
        within=timedelta(seconds=_MISSED * HEARTBEAT_SECONDS),
    ),
    actions=[
        ChangeFlowRunState(
            state=StateType.CRASHED,
            message=f"No sign of life for {_MISSED * HEARTBEAT_SECONDS} s: its process is gone. Retry goes on.",
        )
    ],
)


def install() -> None:
    """Makes the server that Prefect's settings name do so; once, however often it is called."""
    with get_client(sync_client=True) as client:
        there = client.read_automations_by_name(CRASH_DEAD_RUNS.name)
        if there:
            client.update_automation(there[0].id, CRASH_DEAD_RUNS)
        else:
            client.create_automation(CRASH_DEAD_RUNS)
