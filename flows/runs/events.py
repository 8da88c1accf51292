"""What events tell of flow runs: the states that they enter, and what they concern."""

from __future__ import annotations

from upshot.events.event import Event
from upshot.events.ids import derived_id

from ..states import State, timestamp_of
from .flowrun import FlowRun


def state_event(
    run: FlowRun, state: State, previous: State | None = None, *, due_ms: int = 0
) -> Event:
    """Return the event of entering ``state``: ``flow-run.<type>``, its name in the payload.

    The payload tells as well when the run was to start (``scheduled``), first did (``started``),
    entered its previous state (``previous_entered``), and is due now (``due``), where it is.
    """
    return Event(
        event=f"flow-run.{state.type.value.lower()}",
        resource={"id": f"flow-run.{run.id}", "name": run.name, "state": state.name},
        related=related(run),
        payload={
            "state": state.to_dict(),
            "previous": previous and previous.name,
            "previous_entered": previous and previous.timestamp,
            "scheduled": run.scheduled or run.created,
            "started": run.started,
            "due": timestamp_of(due_ms) if due_ms else None,
            "attempt": run.attempt,
            "message": state.message,
        },
        follows=run.caused_by,
        causation=run.causation,
    )


def related(run: FlowRun) -> list[dict[str, str]]:
    """Return the resources that events of this run concern besides the run itself."""
    resources = [{"id": f"flow.{derived_id('flow', run.flow)}", "role": "flow", "name": run.flow}]
    if run.deployment:
        resources.append(deployment_resource(run.deployment))
    if run.parent:
        resources.append({"id": f"flow-run.{run.parent}", "role": "parent-flow-run"})
    if run.pool:
        pool = {"id": f"work-pool.{derived_id('work-pool', run.pool)}", "role": "work-pool"}
        resources.append({**pool, "name": run.pool})
    resources += [tag_resource(tag) for tag in run.tags[:32]]
    return resources


def tag_resource(tag: str) -> dict[str, str]:
    """Return a tag as a related resource."""
    return {"id": f"tag.{tag}", "role": "tag", "name": tag}


def deployment_resource(name: str) -> dict[str, str]:
    """Return a deployment as a related resource."""
    identity = f"deployment.{derived_id('deployment', name)}"
    return {"id": identity, "role": "deployment", "name": name}
