"""The change-flow-run-state action: says how a flow run stands, or lets it start again."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from pydantic import field_validator

from upshot.flows.states import NAMES, StateType

from ..exceptions import TemplateFailed
from ..suggestions import did_you_mean
from ..templates.template import Template
from .base import Variables
from .concerning import ChangingFlowRun

_ELSEWHERE: Final[dict[str, str]] = {
    "AwaitingUndo": "use cancel-flow-run",
    StateType.PENDING: "only a worker that takes a run makes it so",
    StateType.RUNNING: "only the process of a run makes it so",
    StateType.PAUSED: "use pause-flow-run",
}


class ChangeFlowRunState(ChangingFlowRun):
    """Puts a flow run into a state, as far as the rules of states let it.

    Attributes:
        state: such as Completed, Failed, Cancelled or Scheduled.
    """

    type: ClassVar[str] = "change-flow-run-state"

    state: Template

    @field_validator("state")
    @classmethod
    def _known(cls, state: Template) -> Template:
        if state.is_plain and (why := _refusal(state.source.strip())):
            raise ValueError(why)
        return state

    def arguments(self, variables: Variables) -> dict[str, Any]:
        """Return ``flow_run`` (its id, without a prefix), ``state`` (a name) and ``message``."""
        state = self.state.render_text(variables).strip()
        if why := _refusal(state):
            raise TemplateFailed(f"state: {why}")
        return {**super().arguments(variables), "state": state}


def _refusal(name: str) -> str | None:
    """Return why a run can't be put into a state of this name, or None."""
    if name not in NAMES:
        return f"no state is called {name[:100]!r}{did_you_mean(name[:100], set(NAMES))}"
    why = _ELSEWHERE.get(name) or _ELSEWHERE.get(NAMES[name])
    return f"no action puts a run into {name}: {why}" if why else None
