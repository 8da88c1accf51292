"""Flow runs as the store keeps them, with what a run waits for and what it is to end as."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Final

from pydantic_core import from_json, to_json

from upshot.events.event import Causation
from upshot.events.ids import new_id

from ..again import Marks
from ..names import run_name
from ..states import State, StateType, timestamp

DEFAULT_POOL: Final = "default"
"""Whose workers run what names no pool; `upshot up` has one for it."""

DEFAULT_QUEUE: Final = "default"
"""Where runs wait in a work pool whose deployment names no queue."""

MAX_PRIORITY: Final = 1000
"""Priorities are whole numbers from the negative of this on, and the lowest goes first."""

MAX_KEY: Final = 200
"""Characters of the key of a pause."""

ANSWER: Final = "input:"
"""Before the key of a pause, the field of a run that has what the pause was answered with."""


@dataclass(frozen=True, slots=True)
class Pause:
    """What a run waits for that was paused by its own code.

    Attributes:
        key: names the pause within its run; one that was answered does not happen again.
        description: for the person who is asked.
        schema: JSON schema of the input that is asked for; None where none is.
        until: Unix ms at which the waiting ends; None waits for ever.
        awaits: which event it waits for, where it is one; see ``waiting/events.py``.
        since: log position after which that event counts.
    """

    key: str
    description: str = ""
    schema: dict[str, Any] | None = None
    until: int | None = None
    awaits: dict[str, Any] | None = None
    since: str | None = None

    def to_json(self) -> bytes:
        return to_json(self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """Return it as records and JSON answers show it."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_json(cls, body: bytes) -> Pause:
        return cls(**from_json(body))


@dataclass(frozen=True, slots=True)
class Undo:
    """What a run ends as once its open transactions are undone.

    Attributes:
        name, message: of its last state. deaths: of processes that were to undo it.
    """

    name: str
    message: str
    deaths: int = 0

    def to_json(self) -> bytes:
        return to_json(asdict(self))

    @classmethod
    def from_json(cls, body: bytes) -> Undo:
        return cls(**from_json(body))


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
        undo: its open transactions are to be undone before it ends. stuck: why that failed.
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
    undo: Undo | None = None
    stuck: str = ""

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
    undo = None if state.ended else fields.get(b"undo")
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
        undo=Undo.from_json(undo) if undo else None,
        stuck=fields.get(b"stuck", b"").decode(),
        causes=frozenset(name[3:].decode() for name in fields if name.startswith(b"by:")),
    )
