"""What templates and ``if`` see: the firing, its events, and what is looked up for them."""

from __future__ import annotations

from typing import Any

from upshot.events.exceptions import NotFound
from upshot.flows.runs.registry import Runs

from .entry import Entry
from .known import KnownDefinitions


class Contexts:
    """Makes the context of an entry's actions.

    Args:
        definitions: deployments and variables. runs: flow runs.
    """

    def __init__(self, definitions: KnownDefinitions, runs: Runs) -> None:
        self._definitions = definitions
        self._runs = runs

    async def of(self, entry: Entry, needs: frozenset[str]) -> dict[str, Any]:
        """Return the context; of what is looked up, what ``needs`` names and None for the rest."""
        event = entry.events[-1] if entry.events else None
        return {
            "event": event,
            "events": entry.events,
            "firing": entry.summary(),
            "automation": entry.automation.model_dump(),
            "flow_run": await self._flow_run(event) if "flow_run" in needs else None,
            "deployment": await self._deployment(event) if "deployment" in needs else None,
            "variables": await self._variables() if "variables" in needs else {},
        }

    async def _flow_run(self, event: dict[str, Any] | None) -> dict[str, Any] | None:
        resource = _resource(event, "flow-run")
        if resource is None:
            return None
        try:
            run = await self._runs.get(resource["id"].removeprefix("flow-run."))
        except NotFound:
            return None
        return run.to_dict()

    async def _deployment(self, event: dict[str, Any] | None) -> dict[str, Any] | None:
        resource = _resource(event, "deployment")
        if resource is None or "name" not in resource:
            return None
        try:
            return await self._definitions.get("deployment", resource["name"])
        except NotFound:
            return None

    async def _variables(self) -> dict[str, Any]:
        docs = await self._definitions.all("variable")
        return {name: doc.get("value") for name, doc in docs.items()}


def _resource(event: dict[str, Any] | None, kind: str) -> dict[str, str] | None:
    """Return the event's resource of a kind: what it is about, or else what it is related to."""
    if event is None:
        return None
    resources = [event["resource"], *event.get("related", [])]
    return next((each for each in resources if each.get("id", "").startswith(f"{kind}.")), None)
