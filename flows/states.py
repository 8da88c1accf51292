"""The states of runs: their types, their names within a type, and which may follow which."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

from .exceptions import CancelledRun, CrashedRun, FailedRun, NotCompleted, UnfinishedRun
from .given import TEXT, require, wrong


class StateType(StrEnum):
    """What a run is doing, as far as rules are concerned; a state's name may say it closer."""

    SCHEDULED = "Scheduled"
    PENDING = "Pending"
    RUNNING = "Running"
    PAUSED = "Paused"
    CANCELLING = "Cancelling"
    CANCELLED = "Cancelled"
    COMPLETED = "Completed"
    FAILED = "Failed"
    CRASHED = "Crashed"


_T = StateType

NAMES: Final[dict[str, StateType]] = {
    **{kind.value: kind for kind in StateType},
    "Late": _T.SCHEDULED,
    "AwaitingRetry": _T.SCHEDULED,
    "AwaitingUndo": _T.SCHEDULED,
    "Retrying": _T.RUNNING,
    "Undoing": _T.RUNNING,
    "Suspended": _T.PAUSED,
    "Cached": _T.COMPLETED,
    "RolledBack": _T.COMPLETED,
    "TimedOut": _T.FAILED,
}
"""Every state name and the type it belongs to."""

MAX_MESSAGE: Final = 4_000
"""Characters of a message that events and records show."""

ENDED: Final = frozenset({_T.COMPLETED, _T.FAILED, _T.CRASHED, _T.CANCELLED})
_WHY_NONE: Final[dict[StateType, type[NotCompleted]]] = {
    _T.FAILED: FailedRun,
    _T.CRASHED: CrashedRun,
    _T.CANCELLING: CancelledRun,
    _T.CANCELLED: CancelledRun,
}
"""What is raised when the result of a run in such a state is asked for."""

RETRYABLE: Final = frozenset({_T.FAILED, _T.CRASHED, _T.CANCELLED})

_ANY_END: Final = frozenset({_T.CANCELLING, _T.CANCELLED, _T.FAILED, _T.CRASHED})

LEGAL: Final[dict[StateType, frozenset[StateType]]] = {
    _T.SCHEDULED: _ANY_END | {_T.SCHEDULED, _T.PENDING, _T.RUNNING, _T.PAUSED, _T.COMPLETED},
    _T.PENDING: _ANY_END | {_T.SCHEDULED, _T.RUNNING, _T.PAUSED, _T.COMPLETED},
    _T.RUNNING: _ANY_END | {_T.SCHEDULED, _T.RUNNING, _T.PAUSED, _T.COMPLETED},
    _T.PAUSED: _ANY_END | {_T.SCHEDULED, _T.RUNNING, _T.PAUSED},
    _T.CANCELLING: frozenset({_T.CANCELLED, _T.CRASHED, _T.SCHEDULED}),
    _T.CANCELLED: frozenset({_T.SCHEDULED}),
    _T.COMPLETED: frozenset(),
    _T.FAILED: frozenset({_T.SCHEDULED}),
    _T.CRASHED: frozenset({_T.SCHEDULED}),
}
"""Which types may follow each; ``events/functions/runs.lua`` enforces the same table."""


def timestamp() -> str:
    """Return the present time as states carry it: ISO 8601 in UTC with microseconds."""
    seconds, rest = divmod(time.time_ns(), 1_000_000_000)
    return f"{_second(seconds)}.{rest // 1000:06d}Z"


@lru_cache(maxsize=4)
def _second(seconds: int) -> str:
    """Return a Unix second: a map has thousands of states in each."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def timestamp_of(ms: int) -> str:
    """Return Unix milliseconds as states carry times."""
    return _iso(datetime.fromtimestamp(ms / 1000, UTC))


def milliseconds_of(timestamp: str) -> int:
    """Return a time as states carry it in Unix milliseconds."""
    return int(datetime.fromisoformat(timestamp).timestamp() * 1000)


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def legible(message: str, most: int = MAX_MESSAGE) -> str:
    """Return a text as events can carry it: Unicode, and not too long."""
    text = message.encode("utf-8", "replace").decode()
    return text if len(text) <= most else text[:most] + " …"


@dataclass(frozen=True, slots=True)
class State:
    """A state of a run.

    Attributes:
        name: one of ``NAMES``; it decides the type.
        message: for people: why.
        timestamp: when it was entered, ISO 8601.
        data: in the process that ran it: what was returned, or the exception.

    Raises:
        WrongArgument: there is no state of this name, or the message is no text.
    """

    name: str
    message: str = ""
    timestamp: str = field(default_factory=timestamp)
    data: Any = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.name.__class__ is not str or self.name not in NAMES:
            raise wrong("name", self.name, f"must be one of {', '.join(NAMES)}")
        if self.message.__class__ is not str:
            require(TEXT, message=self.message)

    @property
    def type(self) -> StateType:
        return NAMES[self.name]

    @property
    def ended(self) -> bool:
        return self.type in ENDED

    @property
    def completed(self) -> bool:
        return self.type is StateType.COMPLETED

    def is_completed(self) -> bool:
        return self.completed

    def is_failed(self) -> bool:
        return self.type is StateType.FAILED

    def is_crashed(self) -> bool:
        return self.type is StateType.CRASHED

    def is_cancelled(self) -> bool:
        return self.type is StateType.CANCELLED

    def is_running(self) -> bool:
        return self.type is StateType.RUNNING

    def is_pending(self) -> bool:
        return self.type is StateType.PENDING

    def is_scheduled(self) -> bool:
        return self.type is StateType.SCHEDULED

    def is_paused(self) -> bool:
        return self.type is StateType.PAUSED

    def is_final(self) -> bool:
        return self.ended

    def result(self, raise_on_failure: bool = True) -> Any:
        """Return what the run returned.

        Args:
            raise_on_failure: False returns the exception of a run that failed.

        Raises:
            NotCompleted: it did not complete, and no exception of its own says why: FailedRun,
                CrashedRun, CancelledRun or UnfinishedRun.
        """
        if self.completed or not raise_on_failure:
            return self.data
        if isinstance(self.data, BaseException):
            raise self.data
        why = f"{self.name}: {self.message}" if self.message else self.name
        raise _WHY_NONE.get(self.type, UnfinishedRun)(why)

    def to_dict(self) -> dict[str, str]:
        """Return the state as it stands in events and in JSON answers."""
        return {
            "type": self.type.value,
            "name": self.name,
            "message": self.message,
            "timestamp": self.timestamp,
        }

    @classmethod
    def from_dict(cls, body: dict[str, Any]) -> State:
        return cls(body["name"], body["message"], body["timestamp"])


def completed(message: str = "", data: Any = None) -> State:
    """Return a Completed state; a flow or task that returns one ends in it."""
    return State("Completed", message, data=data)


def failed(message: str = "", data: Any = None) -> State:
    """Return a Failed state; a flow or task that returns one ends in it."""
    return State("Failed", message, data=data)


def cancelled(message: str = "", data: Any = None) -> State:
    """Return a Cancelled state; a flow or task that returns one ends in it."""
    return State("Cancelled", message, data=data)


def crashed(message: str = "", data: Any = None) -> State:
    """Return a Crashed state; a flow or task that returns one ends in it."""
    return State("Crashed", message, data=data)


Completed, Failed, Cancelled, Crashed = completed, failed, cancelled, crashed
"""The same, as users know them elsewhere."""
