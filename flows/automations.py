"""Automations of the Prefect server: mark runs whose process is gone as crashed, and send events to a webhook.

Worker and run can be killed together, by a power cut or out of memory. Then nobody is left to report it, and the run
would be shown as running for ever. So runs send heartbeats (`PREFECT_FLOWS_HEARTBEAT_FREQUENCY`), and an automation
waits for the next one, as Prefect documents: docs.prefect.io, "How to detect and respond to zombie flows".

Every event of this project can be sent to an address of the user: by POST, as JSON `{"event", "time", "payload"}`.
"""

from __future__ import annotations

import os
from datetime import timedelta
from typing import cast
from urllib.parse import urlsplit
from uuid import UUID

from prefect import get_client
from prefect.blocks.webhook import Webhook
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import StateType
from prefect.events.actions import CallWebhook, ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification

from flows.run_page import GATE_FAILED, WRONG_INPUT
from tasks.errors import BadInput

HEARTBEAT_SECONDS = 30
"""Time between heartbeats: the shortest that Prefect accepts."""
_MISSED = 3
_HEARTBEAT = "prefect.flow-run.heartbeat"
_ENDS = ("Completed", "Failed", "Cancelled", "Crashed", "TimedOut", GATE_FAILED, WRONG_INPUT)
"""Final states of a run; its events are named after them. A final state that is missing here would be turned into a
crash."""

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


WEBHOOK = "BAKEOFF_WEBHOOK"
"""Environment variable with the address that events are sent to. Empty: events are no longer sent."""

_BLOCK = "bakeoff"
_TELL = "Send events to the webhook"
_SENT = (
    '{"event": {{ event.event | tojson }}, "time": {{ event.occurred.isoformat() | tojson }}, '
    '"payload": {{ event.payload | tojson }}}'
)


def checked(address: str) -> str:
    """Returns the address if events can be sent to it, or if it is empty.

    Raises:
        BadInput: it is neither an http(s) address nor empty.
    """
    parts = urlsplit(address)
    if address and not (parts.scheme in ("http", "https") and parts.hostname):
        raise BadInput("is no address", where=WEBHOOK, got=address, accepted="http://... or https://..., or empty")
    return address


def install(webhook: str | None) -> None:
    """Installs the automations on the server that Prefect's settings name. A second call adds no second copy.

    Args:
        webhook: Address that events are sent to; empty: they are not sent; None: as before.
    """
    with get_client(sync_client=True) as client:
        _put(client, CRASH_DEAD_RUNS)
        if webhook:
            block = Webhook(url=webhook, headers={"Content-Type": "application/json"})
            _put(client, _tell(cast(UUID, block.save(_BLOCK, overwrite=True))))
        elif webhook is not None:
            for each in client.read_automations_by_name(_TELL):
                client.delete_automation(each.id)


def _tell(block: UUID) -> AutomationCore:
    return AutomationCore(
        name=_TELL,
        description=f"{WEBHOOK} of `make serve` names its address.",
        trigger=EventTrigger(
            expect={"bakeoff.*"},
            match=ResourceSpecification({"prefect.resource.id": ["bakeoff.*"]}),
            posture=Posture.Reactive,
            threshold=1,
        ),
        actions=[CallWebhook(block_document_id=block, payload=_SENT)],
    )


def _put(client: SyncPrefectClient, automation: AutomationCore) -> None:
    there = client.read_automations_by_name(automation.name)
    if there:
        client.update_automation(there[0].id, automation)
    else:
        client.create_automation(automation)


if __name__ == "__main__":
    install(os.environ.get(WEBHOOK))
