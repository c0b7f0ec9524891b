"""With a Prefect server: the deployment of prefect.yaml runs on its schedule."""

from __future__ import annotations

import pytest

from tests.flows.servers import PrefectServer

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("worker")]


def test_the_deployments_cron_fires_by_itself(prefect_server: PrefectServer) -> None:
    prefect_server.deploy(cron="* * * * *")
    run = prefect_server.finished(lambda run: run.auto_scheduled, seconds=300)
    assert run.state_name == "Completed"
    assert run.parameters == {"request": {"experiment": "digits"}}
    assert "report.html" in prefect_server.artifacts(run)["report"]
