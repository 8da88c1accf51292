"""Generators as flows and tasks: run a value at a time, and kept as the list of all values.

A retry begins anew, so whoever takes the values sees the first ones again. Whoever stops taking
them completes the run; such a run is not kept as done.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Iterator
from types import GeneratorType
from typing import Any, Final, Protocol

from ..context import Here, standing
from ..states import State
from .parameters import Arguments
from .timeouts import await_within, call_within, timed_out

END: Final = object()
"""Stands behind the last value."""
CLOSED: Final = "closed before its end"


class Steps(Protocol):
    """A run of a generator function, as far as taking its values is concerned."""

    @property
    def place(self) -> Here: ...

    @property
    def fn(self) -> Callable[..., Any]: ...

    @property
    def timeout_seconds(self) -> float | None: ...

    def arguments(self) -> Arguments:
        """Return what to call the function with."""
        ...

    def start(self) -> None:
        """Begin an attempt."""

    def returned(self, value: Any) -> State:
        """End with all values."""
        ...

    def failed(self, error: Exception) -> State | float:
        """Return how it ended, or the seconds until the next attempt."""
        ...

    def pause(self, seconds: float) -> None:
        """Wait for the next attempt."""

    def stopped(self, error: BaseException) -> State | None:
        """End by what was no failure of the function; None where it is to begin anew."""

    def closed(self) -> State:
        """End because no more values are wanted."""
        ...


class Stepping:
    """Takes one value after the other of a run's generator.

    Attributes:
        state: how the run ended, once it has.
    """

    def __init__(self, run: Steps) -> None:
        self.state: State | None = None
        self._run = run
        self._arguments: Arguments | None = None
        self._generator: Any = None
        self._values: list[Any] = []
        self._spent = 0.0

    def step(self) -> Any:
        """Return the next value, or END."""
        try:
            while self.state is None:
                self._open()
                with standing(self._run.place):
                    value = self._next()
                if value is not END:
                    return value
        except BaseException as error:  # noqa: BLE001 - recorded here, raised by who asks
            self._stopped(error)
            return self.step()
        return END

    async def step_async(self) -> Any:
        """Do the same for an asynchronous generator."""
        try:
            while self.state is None:
                self._open()
                with standing(self._run.place):
                    value = await self._next_async()
                if value is not END:
                    return value
        except BaseException as error:  # noqa: BLE001 - recorded here, raised by who asks
            self._stopped(error)
            return await self.step_async()
        return END

    def _open(self) -> None:
        """Begin an attempt, unless one is under way."""
        if self._generator is not None:
            return
        with standing(self._run.place):
            if self._arguments is None:
                self._arguments = self._run.arguments()
            self._run.start()
        args, kwargs = self._arguments
        self._values, self._spent = [], 0.0
        self._generator = self._run.fn(*args, **kwargs)

    def _next(self) -> Any:
        begun = time.monotonic()
        try:
            value = call_within(self._left(), next, (self._generator, END), {})
        except Exception as error:  # noqa: BLE001 - any error of the user's is the run's
            return self._failed(error)
        return self._took(value, begun)

    async def _next_async(self) -> Any:
        begun = time.monotonic()
        try:
            value = await await_within(self._left(), anext(self._generator, END))
        except Exception as error:  # noqa: BLE001 - any error of the user's is the run's
            return self._failed(error)
        return self._took(value, begun)

    def _left(self) -> float | None:
        """Return the seconds left; what the taker does with the values does not count."""
        seconds = self._run.timeout_seconds
        if seconds is not None and self._spent >= seconds:
            raise timed_out(seconds)
        return None if seconds is None else seconds - self._spent

    def _took(self, value: Any, begun: float) -> Any:
        self._spent += time.monotonic() - begun
        if value is END:
            self.state = self._run.returned(self._values)
        else:
            self._values.append(value)
        return value

    def _failed(self, error: Exception) -> Any:
        self._generator = None
        outcome = self._run.failed(error)
        if isinstance(outcome, State):
            self.state = outcome
        else:
            self._run.pause(outcome)
        return END

    def _stopped(self, error: BaseException) -> None:
        self._generator = None
        with standing(self._run.place):
            self.state = self._run.stopped(error)

    def close(self) -> State:
        """End it, where that was not reached; return how it ended."""
        if self.state is None:
            try:
                with standing(self._run.place):
                    if isinstance(self._generator, GeneratorType):
                        self._generator.close()
                    self.state = self._run.closed()
            except BaseException as error:  # noqa: BLE001 - recorded here, raised by who asks
                self._stopped(error)
        return self.state or State("Crashed", CLOSED)


def iterate(run: Steps, finish: Callable[[State], State]) -> Iterator[Any]:
    """Yield the values of a run's generator; raise what it failed with.

    Args:
        finish: called with how it ended.
    """
    stepping = Stepping(run)
    try:
        while (value := stepping.step()) is not END:
            yield value
    finally:
        state = finish(stepping.close())
    state.result()


async def iterate_async(run: Steps, finish: Callable[[State], State]) -> AsyncGenerator[Any, None]:
    """Do the same for an asynchronous generator."""
    stepping = Stepping(run)
    try:
        while (value := await stepping.step_async()) is not END:
            yield value
    finally:
        state = finish(stepping.close())
    state.result()


def collecting(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that returns all values of a generator function as a list."""

    def collect(*args: Any, **kwargs: Any) -> list[Any]:
        return list(fn(*args, **kwargs))

    return collect


def collecting_async(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Do the same for an asynchronous generator function."""

    async def collect(*args: Any, **kwargs: Any) -> list[Any]:
        return [value async for value in fn(*args, **kwargs)]

    return collect


def consumed(value: Any) -> Any:
    """Return the values of a generator that a function returned, and any other value as it is."""
    return list(value) if isinstance(value, GeneratorType) else value
