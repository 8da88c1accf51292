"""Messages to runs: ``send_input`` puts one into the log, ``receive_input`` takes one by one.

Each is an event about the run that gets it. A wait takes the first one behind that which the wait
before it took; so none is taken twice or lost, whatever crashes, and code that runs again gets the
same ones.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, Self, TypeVar

from pydantic import TypeAdapter
from pydantic_core import to_json, to_jsonable_python

from upshot.events.exceptions import NotFound
from upshot.events.ids import derived_id

from ..context import Here, here
from ..deployments.joining import connect, join
from ..deployments.runfuture import read
from ..emitting import emit_event
from ..exceptions import EventTimeout, InvalidInput
from ..states import milliseconds_of
from .asking import flow_place
from .events import Looking, awaited_events, look
from .interaction import HOUR, RunInput, Seconds, read_as

if TYPE_CHECKING:
    from uuid import UUID

    from upshot.events.event import Event

T = TypeVar("T")

SENT: Final = "run-input.sent"
_SKEW_MS: Final = 60_000
"""How far the clock of whoever made the run may be before that of the log."""


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
    """
    arguments = (run_input, str(flow_run_id), sender, key_prefix)
    if asyncio._get_running_loop() is not None:
        return asyncio.to_thread(_send, *arguments)
    return _send(*arguments)


def _send(value: Any, run_id: str, sender: str | None, key: str | None) -> None:
    place = here()
    run = read(connect(join()) if place is None else place.run.journal, run_id)
    if run is None:
        raise NotFound(f"no run has the id {run_id!r}")
    try:
        body = to_jsonable_python(value)
    except ValueError as error:
        raise InvalidInput([("run_input", str(error))]) from error
    name = key or key_of_type(type(value))
    labels = {"id": f"flow-run.{run_id}", "name": run.name, "input": name}
    payload = {"value": body, "sender": sender}
    if place is None:
        emit_event(SENT, labels, payload=payload)
        return
    payload["sender"] = sender or f"flow-run.{place.run.id}"
    emit_event(SENT, labels, payload=payload, id=_id_here(place, run_id))


def _id_here(place: Here, run_id: str) -> str:
    """Return the id that a message has in each attempt of the flow or task that sends it."""
    who = "" if place.task is None else place.task.id
    attempt = 0 if place.task is None else place.task.attempt
    count = str(place.scope.count(f"input:{attempt}:{run_id}"))
    return derived_id("run-input", place.run.id, who, run_id, count)


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


def receive_input(
    input_type: type[T],
    timeout: Seconds | None = HOUR,
    poll_interval: float | None = None,
    raise_timeout_error: bool = False,
    key_prefix: str | None = None,
    with_metadata: bool = False,
    *,
    stay: float | None = None,
) -> Inputs[T]:
    """Return what is sent to this flow run, for ``for``, ``async for`` or ``next()``.

    Args:
        input_type: what each is: a model, or any type.
        timeout: seconds to wait for each; then the loop is over. None waits for ever.
        poll_interval: without effect, as nothing polls here; for code written for Prefect.
        raise_timeout_error: the end of the time is an EventTimeout instead.
        key_prefix: which kind of message; by default the name of the type.
        with_metadata: each is a :class:`Received`, but for a ``RunInput``, which knows its own.
        stay: after so many seconds the process leaves, and another one goes on when something
            comes; it stays by default.
    """
    del poll_interval
    key = key_prefix or key_of_type(input_type)
    return Inputs(TypeAdapter(input_type), key, timeout, raise_timeout_error, with_metadata, stay)


@dataclass(frozen=True, slots=True)
class Inputs(Generic[T]):
    """What is sent to a flow run, one after the other; see :func:`receive_input`."""

    adapter: TypeAdapter[T]
    key: str
    timeout: Seconds | None
    raises: bool
    with_metadata: bool
    stay: float | None

    def next(self, timeout: Seconds | None = None) -> Any:
        """Wait for the next one, ``timeout`` seconds at most, and return it.

        Raises:
            EventTimeout: none came in time. InvalidInput: it is not of the type that is wanted.
            OutsideRun: this is not the code of a flow. TypeError: it is that of a coroutine.
        """
        if asyncio._get_running_loop() is not None:
            raise TypeError("in a coroutine, use `async for`, or await anext()")
        return self._read(self._asked(timeout))

    async def anext(self, timeout: Seconds | None = None) -> Any:
        """Do what :meth:`next` does, in a coroutine."""
        waiting: Awaitable[Event] = self._asked(timeout)
        return self._read(await waiting)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        try:
            return self.next()
        except EventTimeout:
            if self.raises:
                raise
            raise StopIteration from None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        try:
            return await self.anext()
        except EventTimeout:
            if self.raises:
                raise
            raise StopAsyncIteration from None

    def _asked(self, timeout: Seconds | None) -> Any:
        place = flow_place("receive_input")
        run = place.run.held.run
        wanted = awaited_events([SENT], {"id": f"flow-run.{run.id}", "input": self.key})
        begin = place.run.awaited.get(to_json(wanted))
        if begin is None:
            begin = f"{max(0, milliseconds_of(run.created) - _SKEW_MS)}-0"
        seconds = self.timeout if timeout is None else timeout
        how = Looking("receive_input", begin, seconds, f"waits for input: {self.key}", self.stay)
        return look(place, wanted, how)

    def _read(self, event: Event) -> Any:
        payload, receiver = event.payload, event.resource["id"].partition(".")[2]
        value = read_as(self.adapter, payload.get("value"))
        metadata = InputMetadata(self.key, payload.get("sender"), receiver)
        if isinstance(value, RunInput):
            value._metadata = metadata
        plain = isinstance(value, RunInput) or not self.with_metadata
        return value if plain else Received(value, metadata)
