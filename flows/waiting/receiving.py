"""Messages to runs, received one by one.

A wait takes the first one behind that which the wait before it took; so none is taken twice or
lost, whatever crashes, and code that runs again gets the same ones.
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, Self, TypeVar, cast, overload

from pydantic import TypeAdapter
from pydantic_core import to_json

from ..aside import loop_here
from ..exceptions import EventTimeout
from ..given import FLAG, SECONDS, maybe, require
from ..states import milliseconds_of
from .asking import flow_place
from .events import awaited_events, next_event
from .interaction import HOUR, RunInput, Seconds, in_seconds, read_as, reader
from .sending import KIND, SENT, InputMetadata, Received, key_of_type

if TYPE_CHECKING:
    from upshot.events.event import Event

T = TypeVar("T")

_SKEW_MS: Final = 60_000
"""How far the clock of whoever made the run may be before that of the log."""


@overload
def receive_input(
    input_type: type[T],
    timeout: Seconds | None = HOUR,
    poll_interval: float | None = None,
    raise_timeout_error: bool = False,
    key_prefix: str | None = None,
    with_metadata: Literal[False] = False,
    *,
    stay: float | None = None,
) -> Inputs[T]: ...


@overload
def receive_input(
    input_type: type[T],
    timeout: Seconds | None = HOUR,
    poll_interval: float | None = None,
    raise_timeout_error: bool = False,
    key_prefix: str | None = None,
    *,
    with_metadata: Literal[True],
    stay: float | None = None,
) -> Inputs[Received[T]]: ...


def receive_input(
    input_type: type[T],
    timeout: Seconds | None = HOUR,
    poll_interval: float | None = None,
    raise_timeout_error: bool = False,
    key_prefix: str | None = None,
    with_metadata: bool = False,
    *,
    stay: float | None = None,
) -> Any:
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

    Raises:
        WrongArgument: naming one that is none.
    """
    del poll_interval
    seconds = in_seconds(timeout)
    require(maybe(KIND), key_prefix=key_prefix)
    require(maybe(SECONDS), stay=stay)
    require(FLAG, raise_timeout_error=raise_timeout_error, with_metadata=with_metadata)
    adapter = reader("input_type", input_type)
    key = key_of_type(input_type) if key_prefix is None else key_prefix
    return Inputs(adapter, key, seconds, raise_timeout_error, with_metadata, stay)


@dataclass(frozen=True, slots=True)
class Inputs(Generic[T]):
    """What is sent to a flow run, one after the other; see :func:`receive_input`."""

    adapter: TypeAdapter[Any]
    key: str
    seconds: float | None
    raises: bool
    with_metadata: bool
    stay: float | None

    def next(self, timeout: Seconds | None = None) -> T:
        """Wait for the next one, ``timeout`` seconds at most, and return it.

        Raises:
            EventTimeout: none came in time. InvalidInput: it is not of the type that is wanted.
            OutsideRun: this is not the code of a flow. TypeError: it is that of a coroutine.
        """
        if loop_here() is not None:
            raise TypeError("in a coroutine, use `async for`, or await anext()")
        return self._read(self._asked(timeout))

    async def anext(self, timeout: Seconds | None = None) -> T:
        """Do what :meth:`next` does, in a coroutine."""
        waiting: Awaitable[Event] = self._asked(timeout)
        return self._read(await waiting)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        try:
            return self.next()
        except EventTimeout:
            if self.raises:
                raise
            raise StopIteration from None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        try:
            return await self.anext()
        except EventTimeout:
            if self.raises:
                raise
            raise StopAsyncIteration from None

    def _asked(self, timeout: Seconds | None) -> Any:
        seconds = self.seconds if timeout is None else in_seconds(timeout)
        place = flow_place("receive_input")
        run = place.context.flow_run
        wanted = _messages(f"flow-run.{run.id}", self.key)
        spec, first = to_json(wanted), f"{max(0, milliseconds_of(run.created) - _SKEW_MS)}-0"

        def begin() -> str:
            return place.context.awaited.get(spec, first)

        return next_event(
            place, wanted, function="receive_input", message=f"waits for input: {self.key}",
            begin=begin, seconds=seconds, stay=self.stay,
        )  # fmt: skip

    def _read(self, event: Event) -> T:
        payload, receiver = event.payload, event.resource["id"].partition(".")[2]
        value = read_as(self.adapter, payload.get("value"))
        metadata = InputMetadata(self.key, payload.get("sender"), receiver)
        if isinstance(value, RunInput):
            value._metadata = metadata
        plain = isinstance(value, RunInput) or not self.with_metadata
        return cast("T", value if plain else Received(value, metadata))


def _messages(receiver: str, key: str) -> dict[str, Any]:
    """Return which events are messages of a kind to a run."""
    if "*" not in key and not key.startswith("!"):
        return awaited_events([SENT], {"id": receiver, "input": key})
    same = f"event.resource.input == {to_json(key).decode()}"  # a match would take it for a glob
    return awaited_events([SENT], {"id": receiver}, where=same)
