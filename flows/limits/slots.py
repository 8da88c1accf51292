"""The slots of limits that this process has or waits for: asked of the store, granted in its order.

One thread hears for the whole process who got slots, so that waiting costs neither polling nor a
connection for each that waits.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from pydantic_core import to_json

from upshot.events.event import Event
from upshot.events.ids import derived_id, new_id
from upshot.events.store import Argument

from ..exceptions import LimitTimeout, LimitTooSmall, NoLimit
from ..runs.events import related
from ..runs.flowrun import FlowRun

if TYPE_CHECKING:
    from ..context import RunContext
    from ..journal.journal import Journal

# What the store answers to who asks for slots; a limit that has none free, and no time, is -1.
_IN_LINE: Final = 0
_GRANTED: Final = 1
_UNLIMITED: Final = 2
_TOO_SMALL: Final = -2
_HEAR_SECONDS: Final = 1
_LOOK_SECONDS: Final = 1.0
_FORGOTTEN_SECONDS: Final = 10
_ASK_AGAIN_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for.

    Attributes:
        limits: names; slots of all of them at once. slots: of each.
        priority: lower ones are served first. timeout: seconds; None for ever.
        strict: whether a limit that nobody defined is an error.
    """

    limits: tuple[str, ...]
    slots: int = 1
    priority: int = 0
    timeout: float | None = None
    strict: bool = False


@dataclass(eq=False, slots=True)
class Claim:
    """A token and what has become of it.

    Attributes:
        wake: called once: it has its slots, or its run is halted or stops; by any thread.
        has: whether it has its slots.
    """

    context: RunContext
    token: str
    arguments: tuple[Argument, ...]
    wake: Callable[[], None]
    has: bool = False
    asked: float = field(default_factory=time.monotonic)


def limit_events(wanted: Wanted, related_to: list[dict[str, str]]) -> tuple[bytes, bytes]:
    """Return the event of having to wait, and that of the end up to its payload."""
    name = wanted.limits[0]
    resource = {"id": f"limit.{derived_id('limit', name)}", "name": name}
    payload = {"limits": list(wanted.limits), "slots": wanted.slots, "priority": wanted.priority}
    reached = Event(event="limit.reached", resource=resource, related=related_to, payload=payload)
    acquired = Event(event="limit.acquired", resource=resource, related=related_to)
    return reached.to_json(), opening(acquired)


def opening(event: Event) -> bytes:
    """Return the JSON of an event up to its payload, which is last."""
    body = event.model_dump(mode="json", exclude={"payload"})
    return to_json(body)[:-1] + b',"payload":'


class Slots:
    """What one flow process asks the store for.

    Args:
        journal: through which it speaks to the store.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._waiting: dict[str, Claim] = {}
        self._lock, self._looking = threading.Lock(), threading.Lock()
        self._hearing: threading.Thread | None = None
        self._ears: list[str] = []
        self._closed = False
        self._defined: frozenset[str] = frozenset()
        self._looked = float("-inf")

    def defined(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return those names that limits have, as it was a second ago at most."""
        with self._looking:  # who comes meanwhile waits: what was not asked yet is not unlimited
            if time.monotonic() - self._looked > _LOOK_SECONDS:
                found = self._journal.execute("HKEYS", self._journal.keys("docs", "limit"))
                self._defined = frozenset(name.decode() for name in found)
                self._looked = time.monotonic()
        return tuple(name for name in names if name in self._defined)

    def ask(self, context: RunContext, wanted: Wanted, wake: Callable[[], None]) -> Claim | None:
        """Ask for slots; ``wake`` is called when they are there, at once if they are.

        Returns None where nothing limits.

        Raises:
            LimitTooSmall: it has fewer in all. LimitTimeout: none is free, and there is no time.
            NoLimit: there is none, and there must be.
        """
        claim = _claim(context, wanted, wake)
        with self._lock:  # before the store is asked: its word may be here before its answer
            self._waiting[claim.token] = claim
        answer = self._journal.call("acquire", *claim.arguments)
        if answer == _IN_LINE:
            self._start_hearing()
            return claim
        self._settle(claim.token, has=answer == _GRANTED)
        if answer < 0:
            raise _refusal(answer, wanted)
        if answer == _UNLIMITED and wanted.strict:
            raise NoLimit(f"no limit is called {' or '.join(wanted.limits)}")
        return None if answer == _UNLIMITED else claim

    def release(self, claim: Claim) -> None:
        """Give slots back, or a place in line up."""
        with self._lock:
            self._waiting.pop(claim.token, None)
        if not claim.context.held.left:
            self._journal.call("release", claim.token)

    def close(self) -> None:
        """Let nobody wait any more, and end the thread that hears."""
        with self._lock:
            self._closed, hearing = True, self._hearing
        if hearing is not None and self._ears:
            self._journal.execute("RPUSH", self._ears[0], "")
            self._journal.execute("EXPIRE", self._ears[0], _FORGOTTEN_SECONDS)
            hearing.join(_HEAR_SECONDS * 2)

    def _start_hearing(self) -> None:
        with self._lock:
            if self._hearing is None:
                self._hearing = threading.Thread(
                    target=self._hear, name="upshot-slots", daemon=True
                )
                self._hearing.start()

    def _hear(self) -> None:
        """Hear who got slots, for as long as somebody waits."""
        while waiting := self._still_waiting():
            keys = {self._journal.keys("granted", claim.context.id) for claim in waiting}
            self._ears = sorted(keys)
            heard = self._journal.execute("BLPOP", *self._ears, _HEAR_SECONDS)
            if heard is not None:
                self._settle(heard[1].decode(), has=True)
            for claim in waiting:
                self._look_after(claim, time.monotonic())

    def _look_after(self, claim: Claim, now: float) -> None:
        """Wake who has to stop waiting; ask again in case that the word of slots was lost."""
        if claim.context.held.halted or claim.context.stopping.is_set():
            self._settle(claim.token, has=False)
        elif now - claim.asked > _ASK_AGAIN_SECONDS:
            claim.asked = now
            if self._journal.call("acquire", *claim.arguments) == _GRANTED:
                self._settle(claim.token, has=True)

    def _still_waiting(self) -> list[Claim]:
        with self._lock:
            waiting = [] if self._closed else list(self._waiting.values())
            if not waiting:
                self._hearing = None
            return waiting

    def _settle(self, token: str, *, has: bool) -> None:
        with self._lock:
            claim = self._waiting.pop(token, None)
        if claim is not None:
            claim.has = has
            claim.wake()


def _claim(context: RunContext, wanted: Wanted, wake: Callable[[], None]) -> Claim:
    run = context.flow_run
    token = f"{run.id}/{new_id()}"
    wait = int(wanted.timeout is None or wanted.timeout > 0)
    events = limit_events(wanted, concerned(run))
    arguments: tuple[Argument, ...] = (
        run.id, run.epoch, token, wanted.slots, wanted.priority, wait, "", *events, *wanted.limits
    )  # fmt: skip
    return Claim(context, token, arguments, wake)


def concerned(run: FlowRun) -> list[dict[str, str]]:
    """Return a run, and what it concerns, as related resources."""
    return [{"id": f"flow-run.{run.id}", "role": "flow-run", "name": run.name}, *related(run)]


def _refusal(answer: int, wanted: Wanted) -> Exception:
    names = ", ".join(wanted.limits)
    if answer == _TOO_SMALL:
        return LimitTooSmall(f"limit {names}: it has fewer than {wanted.slots} slots in all")
    return LimitTimeout(f"limit {names}: no slot is free")
