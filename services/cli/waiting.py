"""What a trigger waits for, in a few words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

Trigger = Mapping[str, Any]

_NO_TIME: Final = (None, "", 0, "0", "0s")


def summary(trigger: Trigger) -> str:
    """Return what a trigger waits for, as the API shows it, in one line."""
    if "not" in trigger:
        return f"not {summary(trigger['not'])}"
    kind = str(trigger.get("type", "event"))
    say = _KINDS.get(kind)
    return kind if say is None else say(trigger)


def _event(trigger: Trigger) -> str:
    threshold, absent = trigger.get("threshold", 1), trigger.get("posture") == "Proactive"
    count = f"{threshold} x " if threshold != 1 else ""
    after = f" after {_names(trigger['after'])}" if trigger.get("after") else ""
    return (
        f"{'no ' if absent else ''}{count}{_names(trigger.get('expect'))}{_within(trigger)}{after}"
    )


def _names(names: Any) -> str:
    return ", ".join([names] if isinstance(names, str) else names or []) or "any event"


def _within(trigger: Trigger) -> str:
    within = trigger.get("within")
    return "" if within in _NO_TIME else f" within {within}"


def _compound(trigger: Trigger) -> str:
    parts = ", ".join(map(_part, trigger.get("triggers", [])))
    return f"{trigger.get('require', 'all')} of ({parts}){_within(trigger)}"


def _sequence(trigger: Trigger) -> str:
    return " → ".join(map(_part, trigger.get("triggers", []))) + _within(trigger)


def _part(trigger: Trigger) -> str:
    """Return a trigger within another one; several names are one thing there."""
    told = summary(trigger)
    return f"({told})" if "," in told and not told.endswith(")") else told


def _metric(trigger: Trigger) -> str:
    measured = trigger.get("value") or trigger.get("metric")
    aggregate = f"{trigger['aggregate']} of " if trigger.get("aggregate") else ""
    whose = trigger.get("deployment") or trigger.get("flow") or ""
    about = f" of {whose}" if whose else ""
    held = trigger.get("firing_for")
    lasting = "" if held in _NO_TIME else f" for {held}"
    threshold = f"{trigger.get('operator', '')} {trigger.get('threshold', 0):g}"
    return f"{aggregate}{measured}{about} {threshold} over {trigger.get('range')}{lasting}"


def _deadline(trigger: Trigger) -> str:
    whose = trigger.get("deployment") or trigger.get("flow") or "a run"
    if trigger.get("by"):
        limit = f"by {trigger['by']} {trigger.get('timezone', '')}".rstrip()
    else:
        limit = f"within {trigger.get('within')} of its {trigger.get('of', 'schedule')}"
    return f"{whose} not {trigger.get('expect')} {limit}"


def _freshness(trigger: Trigger) -> str:
    what = trigger.get("asset") or _names(trigger.get("expect"))
    return f"{what} not seen for {trigger.get('within')}"


def _schedule(trigger: Trigger) -> str:
    if trigger.get("interval"):
        return f"every {trigger['interval']}"
    calendar = trigger.get("calendar") or {}
    steps = ", ".join(f"{key} {value}" for key, value in calendar.items() if value)
    when = trigger.get("cron") or trigger.get("rrule") or f"every {steps}"
    return f"{when} {trigger.get('timezone', '')}".rstrip()


_KINDS: Final[Mapping[str, Callable[[Trigger], str]]] = {
    "event": _event,
    "compound": _compound,
    "sequence": _sequence,
    "metric": _metric,
    "deadline": _deadline,
    "freshness": _freshness,
    "schedule": _schedule,
}
