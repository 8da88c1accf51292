"""Makes a timeline of the recorded events: when, what, and why. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

Event = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that happened.

    Attributes:
        at: when the log received it. style: how it is shown.
    """

    at: datetime
    what: str
    why: str
    style: str = ""


def timeline(events: Sequence[Event]) -> list[Line]:
    """Return what happened, oldest first.

    Args:
        events: all that were recorded, oldest first.
    """
    by_id = {event["id"]: event for event in events}
    answered = {event["follows"] for event in events if event["event"] == "automation.fired"}
    return list(_lines(events, by_id, answered))


def _lines(
    events: Sequence[Event], by_id: Mapping[str, Event], answered: set[str | None]
) -> Iterator[Line]:
    for event in events:
        if event["id"] in answered and _is_delivery(event):
            continue  # the firing tells of it
        for prefix, describe in _DESCRIBERS.items():
            if event["event"].startswith(prefix) and (said := describe(event, by_id)):
                what, why, style = said
                yield Line(datetime.fromisoformat(event["received"]), what, why, style)


Said = tuple[str, str, str] | None


def _is_delivery(event: Event) -> bool:
    return "provider_event" in event["resource"]


def _delivery(event: Event, _: Mapping[str, Event]) -> Said:
    if not _is_delivery(event):  # the webhook itself was defined
        return None
    return f"{_title(event)} arrives", "no automation waits for it", "dim"


def _firing(event: Event, by_id: Mapping[str, Event]) -> Said:
    cause = by_id.get(event["follows"] or "")
    reason = event["payload"]["reason"]
    actions = ", ".join(event["payload"]["actions"])
    why = f"{reason}: {_title(cause)}" if cause else reason
    return f"{event['resource']['name']} fires: {actions}", why, "yellow"


def _suppression(event: Event, _: Mapping[str, Event]) -> Said:
    payload = event["payload"]
    why = f"{payload['reason']} {payload['message']}".strip()
    return f"{event['resource']['name']} does not fire", why, "magenta"


def _run(event: Event, by_id: Mapping[str, Event]) -> Said:
    state, attempt = event["payload"]["state"], event["payload"]["attempt"]
    name, style = event["resource"]["name"], _STYLES.get(state["type"])
    if state["type"] == "Running" and attempt > 1:
        return f"run {name} goes on", f"attempt {attempt}", "cyan"
    if style is None:
        return None
    why = _first_line(state["message"]) or f"begun by {_title(_root(event, by_id))}"
    return f"run {name} is {state['name']}", why, style


def _action(event: Event, _: Mapping[str, Event]) -> Said:
    outcome, kind = event["event"].partition(".")[2], event["resource"]["type"]
    if outcome == "triggered" or (outcome, kind) in _TOLD_ELSEWHERE:
        return None
    style = "bold" if outcome == "succeeded" else "red"
    return f"{kind} {outcome}", f"for {event['resource']['automation']}", style


_STYLES: Final = {"Completed": "green", "Failed": "red", "Crashed": "bold red"}
_TOLD_ELSEWHERE: Final = {("succeeded", "run-deployment"), ("succeeded", "retry-flow-run")}
_DESCRIBERS: Final[dict[str, Callable[[Event, Mapping[str, Event]], Said]]] = {
    "webhook.": _delivery,
    "automation.fired": _firing,
    "automation.suppressed": _suppression,
    "flow-run.": _run,
    "action.": _action,
}


def _root(event: Event, by_id: Mapping[str, Event]) -> Event:
    """Return the event that everything began with."""
    while (cause := by_id.get(event["follows"] or "")) is not None:
        event = cause
    return event


def _title(event: Event) -> str:
    """Return an event in a few words: ``delivery issues/labeled``, ``flow-run.failed an-otter``."""
    resource = event["resource"]
    if _is_delivery(event):
        parts = (resource.get("provider_event"), resource.get("action"))
        return f"delivery {'/'.join(filter(None, parts))}"
    return f"{event['event']} {resource.get('name', resource['id'])}"


def _first_line(text: str | None) -> str:
    return next(iter((text or "").splitlines()), "")
