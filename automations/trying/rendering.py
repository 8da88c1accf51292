"""Fills in the actions of a firing as they would be carried out; nothing is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from upshot.events.event import Recorded

from ..actions import BaseAction
from ..definition import Automation
from ..exceptions import AutomationsError
from ..expressions.expression import Scope
from ..firing import Firing


@dataclass(slots=True, frozen=True)
class Lookups:
    """What templates see besides the firing and its events.

    Attributes:
        variables: values by name. deployments: definitions by name.
    """

    variables: Mapping[str, Any] = field(default_factory=dict)
    deployments: Mapping[str, Any] = field(default_factory=dict)


def render(
    firing: Firing, automation: Automation, events: Sequence[Recorded], lookups: Lookups
) -> list[dict[str, Any]]:
    """Return each action with its ``outcome``: rendered, skipped (``if``) or failed, and why."""
    context = context_of(firing.summary(), [event.body for event in events], lookups)
    return [_rendered(action, context) for action in automation.actions_of(firing.branch)]


def _rendered(action: BaseAction, context: dict[str, Any]) -> dict[str, Any]:
    made = {"type": action.type}
    try:
        if action.condition is not None and not action.condition.holds(Scope(context)):
            return {**made, "outcome": "skipped", "detail": f"if: {action.condition.source}"}
        return {**made, "outcome": "rendered", "arguments": action.render(context).arguments}
    except AutomationsError as error:
        return {**made, "outcome": "failed", "detail": str(error)}


def context_of(
    firing: Mapping[str, Any], events: list[dict[str, Any]], lookups: Lookups
) -> dict[str, Any]:
    """Return what the templates of a firing's actions see.

    Args:
        firing: its summary. events: the bodies of the contributing events, oldest first.
    """
    event = events[-1] if events else None
    deployment = _resource(event, "deployment")
    return {
        "event": event,
        "events": events,
        "firing": dict(firing),
        "automation": {
            "id": firing["automation_id"],
            "name": firing["automation"],
            "version": firing["version"],
        },
        "flow_run": _flow_run(event),
        "deployment": lookups.deployments.get(deployment["name"])
        if deployment and "name" in deployment
        else None,
        "variables": lookups.variables,
    }


def _flow_run(event: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return the event's flow run as the event tells of it: what it is by now is another thing."""
    resource = _resource(event, "flow-run")
    if event is None or resource is None:
        return None
    told = event.get("payload") or {}
    return {**told, "id": resource["id"].removeprefix("flow-run."), "name": resource.get("name")}


def _resource(event: dict[str, Any] | None, kind: str) -> dict[str, str] | None:
    """Return the event's resource of a kind: what it is about, or else what it is related to."""
    if event is None:
        return None
    resources = [event["resource"], *(event.get("related") or [])]
    return next((each for each in resources if each["id"].startswith(f"{kind}.")), None)
