"""What became of an action: its record, the events that tell of it, and the dead letter.

The one rule: an action ends as ``succeeded``, ``skipped`` (its ``if`` is false), ``failed`` (trying
again is no use until somebody mends something) or ``dead-lettered`` (every try failed). The last
two are told by ``action.failed``, leave a dead letter that can be replayed, and are told by
``action.dead-lettered`` for it. A try that is followed by another one is no outcome.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from pydantic_core import to_json

from upshot.events.event import Event
from upshot.events.ids import derived_id
from upshot.events.own import own_event
from upshot.events.store import Argument
from upshot.flows.states import timestamp

from .entry import Entry

MAX_DETAIL: Final = 2000
_TYPE: Final = re.compile(r"[a-z][a-z-]{0,39}")


class Ending(StrEnum):
    """How an action ended."""

    SUCCEEDED = "succeeded"
    SKIPPED = "skipped"
    FAILED = "failed"
    DEAD_LETTERED = "dead-lettered"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an action of a firing ended; times in ISO 8601.

    Attributes:
        arguments: as they were filled in, as far as that came.
        condition: its ``if``, and whether that held; None without one.
    """

    type: str
    outcome: Ending
    attempts: int
    started: str
    ended: str
    detail: str
    arguments: Any = None
    condition: dict[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return what events tell of it: no arguments, which are large and nobody's business."""
        return {
            "type": self.type,
            "outcome": self.outcome.value,
            "attempts": self.attempts,
            "started": self.started,
            "ended": self.ended,
            "detail": self.detail,
        }

    def to_json(self) -> bytes:
        """Return what the record of the firing keeps of it."""
        told = self.to_dict()
        if self.condition is not None:
            told["if"] = self.condition
        if self.arguments is not None:
            told["arguments"] = self.arguments
        return to_json(told)

    @property
    def counter(self) -> str:
        kind = self.type if _TYPE.fullmatch(self.type) else "unknown"
        return f"actions:{kind}:{self.outcome.value}"


def outcome_of(
    entry: Entry,
    index: int,
    ending: Ending,
    started: str,
    detail: str,
    arguments: Any = None,
    condition: dict[str, Any] | None = None,
) -> Outcome:
    """Put together how the present try of an action ended it."""
    attempts = entry.attempt + (ending is not Ending.SKIPPED)
    kind, told = entry.type_of(index), detail[:MAX_DETAIL]
    return Outcome(kind, ending, attempts, started, timestamp(), told, arguments, condition)


def told_as(outcome: Outcome) -> list[str]:
    """Return the names of the events that tell of an outcome."""
    if outcome.outcome in (Ending.FAILED, Ending.DEAD_LETTERED):
        return ["action.failed", "action.dead-lettered"]
    return [f"action.{outcome.outcome.value}"]


def outcome_events(entry: Entry, index: int, outcome: Outcome) -> list[bytes]:
    """Return the events of an outcome; those of a repeated settling have the same ids."""
    return [_event(entry, index, outcome, name) for name in told_as(outcome)]


def _event(entry: Entry, index: int, outcome: Outcome, name: str) -> bytes:
    automation = {"id": f"automation.{entry.automation.id}", "name": entry.automation.name}
    resource = {"id": f"action.{entry.firing}.{index}", "type": outcome.type or "unknown"}
    return own_event(
        name,
        event_id=derived_id(name, entry.firing, str(index), str(entry.replays)),
        resource={**resource, "automation": entry.automation.name},
        related=[{**automation, "role": "automation"}],
        payload={"firing": entry.firing, "index": index, **outcome.to_dict()},
        follows=entry.triggered(index),
        causation=entry.causation,
    )


def settle_arguments(
    entry_id: str, entry: Entry, index: int, outcome: Outcome, waited: int | None
) -> list[Argument]:
    """Return one group of ``upshot_settle``; ``entry_id`` goes with the firing's last action."""
    counters: list[Argument] = [outcome.counter, 1]
    if waited is not None:
        counters += ["~event_to_action", waited]
    events = outcome_events(entry, index, outcome)
    settled: list[Argument] = [
        entry_id,
        entry.firing,
        index,
        outcome.to_json(),
        len(events),
        *events,
    ]
    return [*settled, len(counters) // 2, *counters]


def finish_arguments(entry_id: str, entry: Entry) -> list[Argument]:
    """Return the group of ``upshot_settle`` that ends an entry whose actions are all settled."""
    return [entry_id, entry.firing, entry.next and entry.next - 1, b"{}", 0, 0]


def bury_arguments(
    entry_id: str, entry: Entry, index: int, outcome: Outcome, rest: Entry | None
) -> list[Argument]:
    """Return the arguments of ``upshot_bury``; ``rest`` goes on with the actions after this one."""
    events = outcome_events(entry, index, outcome)
    body = rest.to_json() if rest else b""
    buried: list[Argument] = [
        entry_id,
        entry.firing,
        index,
        outcome.to_json(),
        letter(entry, index, outcome),
        body,
    ]
    return [*buried, len(events), *events, outcome.counter, 1]


def letter(entry: Entry, index: int, outcome: Outcome) -> bytes:
    """Return the dead letter: why, and the entry that a replay puts back."""
    return to_json(
        {
            "firing": entry.firing,
            "index": index,
            "type": outcome.type,
            "automation": entry.automation.name,
            "to": _receivers(outcome),
            "reason": outcome.detail,
            "attempts": outcome.attempts,
            "entry": _again(entry, index),
            "at": outcome.ended,
        }
    )


def _receivers(outcome: Outcome) -> list[str] | None:
    """Return the names of who was to be told; None of another action."""
    asked = outcome.arguments.get("to") if isinstance(outcome.arguments, dict) else None
    return asked if outcome.type == "notify" and isinstance(asked, list) else None


def _again(entry: Entry, index: int) -> dict[str, Any]:
    """Return the entry of a replay: this action alone, at its own index, when others go on."""
    again = entry.at_action(index, replays=entry.replays + 1)
    return again.model_dump(mode="json")


def poison_arguments(entry_id: str, fields: bytes, why: str) -> list[Argument]:
    """Return the arguments of ``upshot_bury`` for an entry that can't be read."""
    shown = fields.decode("utf-8", "backslashreplace")
    body = {"type": "", "reason": why[:MAX_DETAIL], "at": timestamp(), "raw": shown[: 64 * 1024]}
    event = Event(
        id=derived_id("poison", entry_id),
        event="action.dead-lettered",
        resource={"id": f"action-entry.{entry_id}"},
        payload={"reason": body["reason"]},
    )
    return [
        entry_id,
        "",
        "",
        "",
        to_json(body),
        "",
        1,
        event.to_json(),
        "actions:unknown:dead-lettered",
        1,
    ]
