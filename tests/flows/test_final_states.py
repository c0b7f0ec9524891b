"""How a failed flow run is shown on Prefect's pages: with a name that says why, our sentence, and no traceback."""

from __future__ import annotations

from pathlib import Path

import pytest
from prefect.client.schemas.objects import StateType

import flows.bakeoff
from flows.bakeoff import GateFailed, RunRequest, bakeoff
from flows.orchestration import api
from tasks.errors import BadInput


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("error", "name"),
    [
        (GateFailed(Path("folder"), "Accuracy is 0.4."), "Gate failed"),
        (BadInput("is wrong", where="data.target"), "Wrong input"),
    ],
)
def test_what_a_user_must_see_is_the_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, name: str
) -> None:
    def ends(*_: object) -> str:
        raise error

    monkeypatch.setattr(flows.bakeoff, "execute", ends)
    with api(tmp_path / "home") as wait_until_ready:
        wait_until_ready()
        state = bakeoff(RunRequest(), return_state=True)
        with pytest.raises(type(error)) as raised:
            bakeoff(RunRequest())
    assert (state.type, state.name, state.message) == (StateType.FAILED, name, str(error))
    assert raised.value is error, "who calls the flow in Python gets the error itself"
