"""How a flow's own code waits: its run is paused until something from outside has an answer.

answer there already? → the run is Paused (or Suspended, and its process leaves) → the answer comes
→ it is read. Answers stay with the run: code that runs again does not wait again.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from pydantic_core import from_json

from upshot.events.clock import unix_ms

from ..aside import loop_here
from ..context import Here, here
from ..exceptions import Interrupted, InvalidInput, OutsideRun, Suspending
from ..given import require, text
from ..runs.flowrun import ANSWER, MAX_KEY, Pause
from ..runs.pausing import leaves
from ..states import State, StateType
from .boundary import sleep

_KEY: Final = text(MAX_KEY)
_TURN_SECONDS: Final = 1.0
"""How long who waits for its turn may be deaf to being given up."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a flow waits for.

    Attributes:
        pause: as the run's record tells it; ``until`` is set when the waiting begins.
        message: of the paused state.
        read: makes the value to return of an answer; raises what the flow is to meet, or
            InvalidInput to ask again.
        seconds: how long to wait; None for ever.
        stay: seconds after which the process leaves, where it can; None never.
        late: makes what to raise when the time is over; None where others say when it is.
        line: in which those wait that wait for the same, for one after the other; where it is empty
            nobody does. begin: tells ``since`` of the pause when it is this one's turn.
    """

    pause: Pause
    message: str
    read: Callable[[dict[str, Any]], Any]
    seconds: float | None
    stay: float | None
    late: Callable[[], Exception] | None = None
    line: bytes = b""
    begin: Callable[[], str] | None = None


def flow_place(function: str) -> Here:
    """Return where the running code stands: in a flow's own code.

    Raises:
        OutsideRun: it stands elsewhere.
    """
    place = here()
    if place is None:
        raise OutsideRun(f"{function}() works inside of a flow only")
    if place.task is not None:
        raise OutsideRun(f"{function}() works in a flow's own code, not in a task's")
    return place


def key_of(place: Here, given: str | None, kind: str) -> str:
    """Return the key of a pause: the one given, or which of its kind it is in the flow's code."""
    if given is None:
        return f"{kind}-{place.scope.count(f'pause:{kind}') + 1}"
    require(_KEY, key=given)
    return given


def ask(place: Here, question: Question) -> Any:
    """Return the answer as soon as it is there; in a coroutine's flow, what to await for it.

    Raises:
        TransactionFailed: the block around is only there to be undone.
    """
    if place.transaction is not None:
        place.transaction.require_open()
    if loop_here() is None:
        return _Asking(place, question).answer()
    return _ask_async(place, question)


async def _ask_async(place: Here, question: Question) -> Any:
    asking = _Asking(place, question)
    try:
        return await asyncio.to_thread(asking.answer)
    finally:
        asking.forget()


class _Asking:
    """One question in the hands of the thread that waits for its answer."""

    def __init__(self, place: Here, question: Question) -> None:
        self._context, self._question, self._given_up = place.context, question, threading.Event()
        self._held, self._journal = place.context.held, place.context.journal
        self._message, self._turns = question.message, place.context.turns
        self._begun = False
        self._turns.join(question.line, self)

    def answer(self) -> Any:
        """Return the answer, as soon as one is there that can be read."""
        self._begun, suspended = True, False
        try:
            self._await_turn()
            return self._answered()
        except Suspending:
            suspended = True  # nobody else's turn comes in this process
            raise
        finally:
            if not suspended:
                self._turns.leave(self._question.line, self)

    def forget(self) -> None:
        """Do not wait any more: nobody wants the answer."""
        self._given_up.set()
        if not self._begun:
            self._turns.leave(self._question.line, self)

    def _await_turn(self) -> None:
        question = self._question
        while question.line and not self._turns.await_turn(question.line, self, _TURN_SECONDS):
            if self._given_up.is_set() or self._context.stopping.is_set():
                raise Interrupted("nobody waits")
        if question.begin is not None:
            pause = replace(question.pause, since=question.begin())
            self._question = replace(question, pause=pause)

    def _answered(self) -> Any:
        while True:
            if (found := self._found()) is not None:
                if self._question.line and self._given_up.is_set():
                    self._give_up()  # the next one that waits for the same gets it
                try:
                    return self._question.read(found)
                except InvalidInput as error:
                    self._message = f"the input was refused: {error}"
            self._pause()
            self._wait()

    def _found(self) -> dict[str, Any] | None:
        key = self._journal.keys("run", self._held.run.id)
        stored = self._journal.execute("HGET", key, ANSWER + self._question.pause.key)
        found: dict[str, Any] | None = from_json(stored) if stored else None
        # What was no answer counts for the attempt in which it was given; another one asks again.
        lasts = found is None or found.get("attempt") in {None, self._held.run.attempt}
        return found if lasts else None

    def _pause(self) -> None:
        seconds, pause = self._question.seconds, self._question.pause
        if seconds is not None:
            clock = self._journal.execute("TIME")
            pause = replace(pause, until=unix_ms(clock) + int(seconds * 1000))
        name = "Suspended" if self._leaves() else "Paused"
        fields = {"pause": pause.to_json(), ANSWER + pause.key: b""}
        self._journal.transition(self._held, State(name, self._message), fields=fields)

    def _leaves(self) -> bool:
        return self._question.stay is not None and leaves(self._held.run)

    def _wait(self) -> None:
        """Wait for an answer, or until it is time to leave, or to give up."""
        began = time.monotonic()
        while self._journal.refresh(self._held) is StateType.PAUSED:
            passed = time.monotonic() - began
            if self._context.stopping.is_set():
                raise Interrupted("the flow run stopped")
            if self._is_over(passed):
                return self._give_up()
            if self._leaves() and passed >= (self._question.stay or 0):
                raise Suspending(self._held.run.id)
            sleep(self._journal, self._held, self._left(passed))
        self._held.halted = False
        if self._held.run.state.type is StateType.CANCELLING:
            raise Interrupted("the flow run stopped")
        return None

    def _left(self, passed: float) -> float:
        """Return for how many seconds nothing is to be done but wait."""
        question = self._question
        times = [
            question.seconds if question.late else None,
            question.stay if self._leaves() else None,
        ]
        return min((time - passed for time in times if time is not None), default=float("inf"))

    def _is_over(self, passed: float) -> bool:
        seconds = self._question.seconds if self._question.late is not None else None
        return self._given_up.is_set() or (seconds is not None and passed >= seconds)

    def _give_up(self) -> None:
        """Go on without an answer, unless one came in this moment."""
        running, late = State("Running", "it waits no longer"), self._question.late
        fields = {"pause": b""}
        if self._question.line and self._given_up.is_set():
            fields[ANSWER + self._question.pause.key] = b""
        self._journal.transition(self._held, running, fields=fields)
        self._held.halted = False
        if self._found() is None:
            raise Interrupted("nobody waits") if late is None else late()
