"""What actions are about: the run, deployment, … that they name, or that the event concerns."""

from __future__ import annotations

from typing import Any, ClassVar

from upshot.events.ids import derived_id

from ..exceptions import TemplateFailed
from ..templates.template import Template
from .base import BaseAction, Variables


class OfFlowRun(BaseAction):
    """An action on a flow run.

    Attributes:
        flow_run: its id; by default the flow run that the event is about, or is related to.
    """

    flow_run: Template | None = None

    def arguments(self, variables: Variables) -> dict[str, Any]:
        """Return ``flow_run`` (its id, without a prefix)."""
        found = target(self.flow_run, "flow-run", variables)
        return {"flow_run": found.removeprefix("flow-run.")}


class ChangingFlowRun(OfFlowRun):
    """An action that changes how a flow run stands.

    Attributes:
        message: why, for people.
    """

    message: Template | None = None

    def arguments(self, variables: Variables) -> dict[str, Any]:
        """Return ``flow_run`` (its id, without a prefix) and ``message``."""
        message = self.message.render_text(variables) if self.message else ""
        return {**super().arguments(variables), "message": message}


class Switching(BaseAction):
    """An action that pauses something, or lets it go on.

    Attributes:
        kind: what it is that is paused. paused: whether it is afterwards.
    """

    kind: ClassVar[str]
    paused: ClassVar[bool]


class OfDeployment(Switching):
    """Pauses a deployment or lets it go on.

    Attributes:
        deployment: its name (``flow/deployment``) or id; by default the one that the event is
            about, or is related to.
    """

    kind: ClassVar[str] = "deployment"
    deployment: Template | None = None

    def arguments(self, variables: Variables) -> dict[str, Any]:
        """Return ``name`` (or id)."""
        return {"name": target(self.deployment, self.kind, variables)}


class OfWorkPool(Switching):
    """Pauses a work pool or lets it go on.

    Attributes:
        work_pool: its name or id; by default the one that the event is about, or is related to.
    """

    kind: ClassVar[str] = "work-pool"
    work_pool: Template | None = None

    def arguments(self, variables: Variables) -> dict[str, Any]:
        """Return ``name`` (or id)."""
        return {"name": target(self.work_pool, self.kind, variables)}


class OfAutomation(Switching):
    """Pauses an automation or lets it go on.

    Attributes:
        automation: its name or id; by default the one that the event is about, or is related to,
            unless that is this automation itself, which has to be named.
    """

    kind: ClassVar[str] = "automation"
    automation: Template | None = None

    def arguments(self, variables: Variables) -> dict[str, Any]:
        """Return ``name`` (or id)."""
        name = target(self.automation, self.kind, variables)
        itself = (variables.get("automation") or {}).get("id")
        if self.automation is None and itself in (name, derived_id(self.kind, name)):
            raise TemplateFailed(
                "automation: the event concerns this automation itself; name it if it is meant"
            )
        return {"name": name}


def target(named: Template | None, kind: str, variables: Variables) -> str:
    """Return the name or id of what an action is about.

    Args:
        named: what the definition says. kind: such as ``flow-run``.

    Raises:
        TemplateFailed: it comes out empty, or nothing is named and the event concerns none.
    """
    field = kind.replace("-", "_")
    if named is not None:
        found = named.render_text(variables).strip()
        if not found:
            raise TemplateFailed(f"{field}: comes out empty")
        return found
    found = _concerned(variables.get("event") or {}, kind)
    if not found:
        raise TemplateFailed(f"{field}: the event concerns no {kind.replace('-', ' ')}; name one")
    return found


def _concerned(event: dict[str, Any], kind: str) -> str:
    """Return what the event is about, or else related to: its name where that identifies it."""
    for resource in [event.get("resource") or {}, *(event.get("related") or [])]:
        identity = str(resource.get("id", ""))
        if identity.startswith(f"{kind}."):
            name, bare = str(resource.get("name", "")), identity.removeprefix(f"{kind}.")
            return name if derived_id(kind, name) == bare else bare
    return ""
