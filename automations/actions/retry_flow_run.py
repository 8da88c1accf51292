"""The retry-flow-run action: runs a flow run again, from where it failed."""

from __future__ import annotations

from typing import Any, ClassVar

from ..exceptions import TemplateFailed
from ..templates import Template
from .base import BaseAction, Variables

_KIND = "flow-run."


class RetryFlowRun(BaseAction):
    """Runs a flow run again.

    Attributes:
        flow_run: its id; by default the flow run that the event is about, or is related to.
    """

    type: ClassVar[str] = "retry-flow-run"

    flow_run: Template | None = None

    def arguments(self, variables: Variables) -> dict[str, Any]:
        """Return ``flow_run`` (its id, without a prefix)."""
        if self.flow_run is not None:
            flow_run = self.flow_run.render_text(variables).strip()
        else:
            flow_run = _flow_run_of(variables.get("event") or {})
        if not flow_run:
            raise TemplateFailed("flow_run: the event concerns no flow run; name one")
        return {"flow_run": flow_run.removeprefix(_KIND)}


def _flow_run_of(event: dict[str, Any]) -> str:
    resources = [event.get("resource") or {}, *(event.get("related") or [])]
    ids = (str(resource.get("id", "")) for resource in resources)
    return next((each for each in ids if each.startswith(_KIND)), "")
