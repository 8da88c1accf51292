"""Flow runs as the store keeps them, and the arguments of the calls that create and change them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from pydantic_core import from_json, to_json

from upshot.events.event import Causation, Event
from upshot.events.ids import derived_id, new_id
from upshot.events.store import Argument

from ..again import Marks
from ..names import run_name
from ..results.formats import Kept
from ..states import State, StateType, timestamp, timestamp_of
from .pause import Pause

DEFAULT_QUEUE: Final = "default"
"""Where runs wait in a work pool whose deployment names no queue."""


MAX_PRIORITY: Final = 1000
"""Priorities are whole numbers from the negative of this on, and the lowest goes first."""


@dataclass(frozen=True, slots=True)
class FlowRun:
    """A flow run at one version of its state.

    Attributes:
        flow: name of the flow. deployment: name of the deployment (``flow/deployment``), if any.
        entrypoint: ``path.py:function`` that the worker loads; empty for a run by hand.
        pool: work pool whose workers run it; empty for a run that starts itself.
        queue: where it waits in the pool. priority: within the queue, the lowest first.
        attempt: how often the flow's body was started.
        version: grows with each change of state. epoch: grows when another process takes over.
        result: JSON of what the flow returned, once Completed, where it is JSON.
        caused_by: id of the event that led to the run, and ``causation`` the way before it.
        parent: id of the flow run that this one is a part of.
        scheduled: when it was to start, where that was later than its creation.
        pause: what it waits for, while its own code has paused it.
        again: from which tasks on it does again what was done; see ``again.py``.
        resumed: it goes on in a new process, after a pause: no new attempt.
        causes: ids of the events that made somebody change it; none of them does so twice.
        launch: what its deployment says of its process: ``version``, ``source``, ``job``.
        handed: its worker goes, and another one is to go on with it.
    """

    id: str
    name: str
    flow: str
    deployment: str | None
    state: State
    entrypoint: str = ""
    pool: str = ""
    queue: str = DEFAULT_QUEUE
    priority: int = 0
    parameters: dict[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    created: str = ""
    started: str | None = None
    ended: str | None = None
    attempt: int = 0
    version: int = 1
    epoch: int = 1
    result: Any = None
    caused_by: str | None = None
    causation: Causation | None = None
    parent: str | None = None
    scheduled: str | None = None
    pause: Pause | None = None
    resumed: bool = False
    again: Marks = ()
    causes: frozenset[str] = frozenset()
    launch: dict[str, Any] = field(default_factory=dict)
    handed: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the run as JSON answers show it."""
        return {
            "id": self.id,
            "name": self.name,
            "flow": self.flow,
            "deployment": self.deployment,
            "deployment_version": self.launch.get("version"),
            "parameters": self.parameters,
            "state": self.state.to_dict(),
            "attempt": self.attempt,
            "created": self.created,
            "started": self.started,
            "ended": self.ended,
            "tags": list(self.tags),
            "work_pool": self.pool or None,
            "queue": self.queue if self.pool else None,
            "priority": self.priority,
            "result": self.result,
            "caused_by": self.caused_by,
            "parent": self.parent,
            "pause": self.pause and self.pause.to_dict(),
        }


_DOC = (
    "id",
    "name",
    "flow",
    "deployment",
    "entrypoint",
    "pool",
    "queue",
    "priority",
    "parameters",
    "created",
    "caused_by",
    "parent",
    "scheduled",
    "launch",
)


def new_run(
    flow: str,
    *,
    state: State,
    run_id: str | None = None,
    name: str | None = None,
    deployment: str | None = None,
    **rest: Any,
) -> FlowRun:
    """Make a run that is not yet in the store; without an id it gets a new one."""
    made = run_id or new_id()
    named = name or run_name(made)
    return FlowRun(made, named, flow, deployment, state, created=timestamp(), **rest)


def create_arguments(run: FlowRun, *, due_ms: int = 0, lease_ms: int = 0) -> tuple[Argument, ...]:
    """Return the arguments of ``upshot_create_run``; times in ms, ``due_ms`` as Unix time."""
    run = replace(run, scheduled=timestamp_of(due_ms)) if due_ms else run
    event = state_event(run, run.state, due_ms=due_ms)
    doc: dict[str, Any] = {key: getattr(run, key) for key in _DOC}
    doc["tags"] = run.tags
    doc["causation"] = run.causation and run.causation.model_dump()
    fields: tuple[Argument, ...] = (
        "doc",
        to_json(doc),
        "state",
        to_json(run.state.to_dict()),
        "attempt",
        run.attempt,
    )
    if run.deployment:
        fields += ("deployment", run.deployment)
    if run.pool:
        fields += ("queue", run.queue, "priority", run.priority)
    counted = ("flow", run.flow, "deployment", run.deployment or "")
    return (
        run.id, run.state.type.value, run.pool, due_ms, lease_ms,
        event.id, event.to_json(), *fields, *counted,
    )  # fmt: skip


def transition_arguments(
    run: FlowRun,
    state: State,
    *,
    own: bool,
    due_ms: int = 0,
    lease_ms: int = 0,
    only_if_lapsed: bool = False,
    started: bool = False,
    cause: tuple[str, Causation] | None = None,
    result: Kept | None = None,
    more: Mapping[str, Argument] | None = None,
) -> tuple[Argument, ...]:
    """Return the arguments of ``upshot_transition`` from the run as it was read to ``state``.

    Args:
        own: the run's own process asks, under the run's epoch.
        due_ms: Unix ms at which a Scheduled run goes to its queue.
        only_if_lapsed: refuse while the run's lease holds.
        started: the flow's body starts now: one attempt more.
        cause: event that made somebody else ask, and the causation of what follows from it.
        result: what the flow returned, where that is JSON.
        more: other fields of the record to set.
    """
    changed = after(run, state, started=started, cause=cause, more=more)
    event = state_event(changed, state, previous=run.state, due_ms=due_ms)
    fields: list[Argument] = ["state", to_json(state.to_dict()), "attempt", changed.attempt]
    fields += ["started", changed.started or "", "ended", changed.ended or ""]
    if cause is not None:
        fields += ["cause", to_json([cause[0], cause[1].model_dump()]), f"by:{cause[0]}", "1"]
    if result is not None:
        fields += ["result", result.body, "checkpoint", result.form]
    told = {"resumed": b"1" if changed.resumed else b""} if run.resumed else {}
    for name, value in {**told, **(more or {})}.items():
        fields += [name, value]
    epoch: Argument = run.epoch if own else ""
    return (
        run.id, run.version, epoch, state.type.value, due_ms, lease_ms, int(only_if_lapsed),
        event.id, event.to_json(), *fields,
    )  # fmt: skip


def handed_over(run: FlowRun) -> dict[str, Argument]:
    """Return the fields of a run whose worker left: another one goes on with it, same attempt."""
    return {"handed": b"", "resumed": b"1" if run.started else b""}


def after(
    run: FlowRun,
    state: State,
    *,
    started: bool = False,
    cause: tuple[str, Causation] | None = None,
    more: Mapping[str, Argument] | None = None,
) -> FlowRun:
    """Return the run as it is once ``state`` is entered; version and epoch come from the store."""
    caused_by, causation = cause or (run.caused_by, run.causation)
    waits = (more or {}).get("pause") if state.type is StateType.PAUSED else None
    goes_on = run.resumed and not state.ended and state.type is not StateType.RUNNING
    return replace(
        run,
        state=state,
        attempt=run.attempt + started,
        started=(run.started or state.timestamp) if started else run.started,
        ended=state.timestamp if state.ended else None,
        caused_by=caused_by,
        causation=causation,
        pause=Pause.from_json(waits) if isinstance(waits, bytes) and waits else None,
        resumed=bool((more or {}).get("resumed", goes_on)),
        causes=run.causes | {cause[0]} if cause else run.causes,
    )


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


def marks_from(stored: bytes | None) -> Marks:
    """Return the marks that a run's record has."""
    return tuple((name, token) for name, token in from_json(stored)) if stored else ()


def parse_run(fields: dict[bytes, bytes]) -> FlowRun:
    """Make a run of the hash that the store keeps; what a newer version added is left out."""
    doc = from_json(fields[b"doc"])
    caused_by, causation = doc["caused_by"], doc.pop("causation")
    if b"cause" in fields:
        caused_by, causation = from_json(fields[b"cause"])
    result, state = fields.get(b"result"), State.from_dict(from_json(fields[b"state"]))
    waits = fields.get(b"pause") if state.type is StateType.PAUSED else None
    doc.update(tags=tuple(doc["tags"]), caused_by=caused_by)
    return FlowRun(
        **{name: told for name, told in doc.items() if name in FlowRun.__slots__},
        state=state,
        started=fields.get(b"started", b"").decode() or None,
        ended=fields.get(b"ended", b"").decode() or None,
        attempt=int(fields[b"attempt"]),
        version=int(fields[b"version"]),
        epoch=int(fields[b"epoch"]),
        result=from_json(result) if result else None,
        causation=Causation.model_validate(causation) if causation else None,
        pause=Pause.from_json(waits) if waits else None,
        resumed=bool(fields.get(b"resumed")),
        again=marks_from(fields.get(b"again")),
        handed=bool(fields.get(b"handed")),
        causes=frozenset(name[3:].decode() for name in fields if name.startswith(b"by:")),
    )
