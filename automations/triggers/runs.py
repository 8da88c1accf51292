"""What triggers read from the events of flow runs."""

from __future__ import annotations

from typing import Any, Final

from .base import Facts
from .clock import parse_moment

_PREFIX: Final = "flow-run."
_ENDED: Final = ("completed", "failed", "crashed", "cancelled")
_STATES: Final = ("scheduled", "pending", "running", "paused", "cancelling", *_ENDED)

RUN_EVENTS: Final = tuple(_PREFIX + state for state in _STATES)
RUN_ENDS: Final = tuple(_PREFIX + state for state in _ENDED)
RUN_SCHEDULED: Final = "flow-run.scheduled"
RUN_RUNNING: Final = "flow-run.running"
RUN_COMPLETED: Final = "flow-run.completed"
RUN_CANCELLING: Final = "flow-run.cancelling"

WAITING: Final = frozenset({"Scheduled", "Late", "AwaitingRetry"})
"""Names of the states in which a run waits to be taken."""


def payload(facts: Facts) -> dict[str, Any]:
    """Return an event's payload."""
    found = facts.body.get("payload")
    return found if isinstance(found, dict) else {}


def attempt(facts: Facts) -> int:
    """Return how often the run's body was started."""
    number = payload(facts).get("attempt")
    return number if isinstance(number, int) else 0


def starts_first(facts: Facts) -> bool:
    """Tell whether the event is the first start of a run."""
    if facts.name != RUN_RUNNING or attempt(facts) > 1:
        return False
    return payload(facts).get("previous") not in {"Running", "Retrying", "Paused", "Suspended"}


def entered(facts: Facts) -> int:
    """Return when the run entered its state, in Unix milliseconds: when it was received, if not."""
    state = payload(facts).get("state")
    moment = parse_moment(state.get("timestamp")) if isinstance(state, dict) else None
    return facts.received if moment is None else moment


def scheduled(facts: Facts) -> int:
    """Return when the run was to start, in Unix milliseconds: when it was received, if unknown."""
    moment = parse_moment(payload(facts).get("scheduled"))
    return facts.received if moment is None else moment


def started(facts: Facts) -> int | None:
    """Return when the run first started, in Unix milliseconds, if it has."""
    return parse_moment(payload(facts).get("started"))
