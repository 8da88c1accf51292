"""Messages to runs, sent: each is an event about the run that gets it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from upshot.events.exceptions import NotFound
from upshot.events.ids import derived_id

from ..aside import here_or_beside
from ..calls.parameters import as_json
from ..context import Here, here
from ..emitting import emit_event
from ..exceptions import InvalidInput, InvalidParameters
from ..given import RUN_ID, TEXT, maybe, require, text
from ..joining.runs import read_run
from ..joining.store import store_here

if TYPE_CHECKING:
    from uuid import UUID

T = TypeVar("T")

SENT: Final = "run-input.sent"
KIND: Final = text(500)
"""Which kind of message one is."""


@dataclass(frozen=True, slots=True)
class InputMetadata:
    """What is known of a message besides its value.

    Attributes:
        key: which kind of message it is. sender: ``flow-run.<id>``, or what was given for it.
        receiver: id of the run that got it.
    """

    key: str
    sender: str | None
    receiver: str


@dataclass(frozen=True, slots=True)
class Received(Generic[T]):
    """A message with what is known of it."""

    value: T
    metadata: InputMetadata

    def respond(self, value: Any, sender: str | None = None) -> Any:
        """Send something to the run that sent this; see :func:`send_input`."""
        return respond(self.metadata, value, sender)


def send_input(
    run_input: Any,
    flow_run_id: str | UUID,
    sender: str | None = None,
    key_prefix: str | None = None,
) -> Any:
    """Send a flow run something, whether it waits for it yet or not. In a coroutine, await it.

    A call in a run's code that runs again within a day sends nothing twice.

    Args:
        run_input: JSON, a model, a dataclass, a time. flow_run_id: of the run that gets it.
        sender: who sends it; by default the flow run whose code does.
        key_prefix: which kind of message it is; by default the name of the value's type.

    Raises:
        NotFound: no run has this id. InvalidInput: the value can not be written as JSON.
        WrongArgument: naming another one that is none.
    """
    require(RUN_ID, flow_run_id=flow_run_id)
    require(maybe(TEXT), sender=sender)
    require(maybe(KIND), key_prefix=key_prefix)
    arguments = (run_input, str(flow_run_id), sender, key_prefix)
    return here_or_beside(_send, *arguments)


def _send(value: Any, run_id: str, sender: str | None, key: str | None) -> None:
    place = here()
    run = read_run(store_here(), run_id)
    if run is None:
        raise NotFound(f"no run has the id {run_id!r}")
    body = as_input(value)
    name = key_of_type(type(value)) if key is None else key
    labels = {"id": f"flow-run.{run_id}", "name": run.name, "input": name}
    payload = {"value": body, "sender": sender}
    if place is None:
        emit_event(SENT, labels, payload=payload)
        return
    payload["sender"] = sender or f"flow-run.{place.context.id}"
    emit_event(SENT, labels, payload=payload, id=_id_here(place, run_id))


def as_input(value: Any) -> Any:
    """Return a value as the JSON that a run gets; InvalidInput where it can't be written so."""
    try:
        return as_json("run_input", value)
    except InvalidParameters as error:
        raise InvalidInput([("run_input", str(error).removeprefix("run_input: "))]) from error


def _id_here(place: Here, run_id: str) -> str:
    """Return the id that a message has in each attempt of the flow or task that sends it."""
    who = "" if place.task is None else place.task.id
    attempt = 0 if place.task is None else place.task.attempt
    count = str(place.scope.count(f"input:{attempt}:{run_id}"))
    return derived_id("run-input", place.context.id, who, run_id, count)


def respond(metadata: InputMetadata, value: Any, sender: str | None = None) -> Any:
    """Send something to the flow run that a message came from.

    Raises:
        InvalidInput: no flow run sent it.
    """
    kind, _, run_id = (metadata.sender or "").partition(".")
    if kind != "flow-run":
        raise InvalidInput([("sender", "no flow run sent this, so none can be answered")])
    return send_input(value, run_id, sender)


def key_of_type(kind: Any) -> str:
    """Return which kind of message values of a type are: its name, of ``list[int]`` ``list``."""
    return str(getattr(kind, "__name__", kind))
