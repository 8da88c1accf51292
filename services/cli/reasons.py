"""Reasons of an explanation, in words: the first one of why it fires or does not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from .printing import cell, literal
from .stages import conditions, day_of, moment, words

Found = Mapping[str, Any]

_WORDS: Final = {
    "absent": "what was expected did not come",
    "event_not_expected": "it waits for other events",
    "no_window_open": "nothing has opened its window yet",
    "out_of_order": "this is not the step that is next",
    "a_trigger_that_must_not_fire_did": "what must not come has come",
    "waiting_that_nothing_forbidden_comes": "all is there; until {ends} nothing forbidden may come",
    "waiting_for_other_triggers": "{counted} triggers have fired; it waits for the others",
    "quiet_until_window_ends": "it has fired already, and is quiet until its window ends, {ends}",
    "satisfied": "what it expected came, so nothing is absent",
    "window_opened": "this event opens its window, which ends {ends}",
    "counted": "{counted}, and the window ends {ends}",
    "loop": "the automation itself led to this event",
    "disabled": "it is paused, or not enabled; if it were on, this is what it would do",
    "metric_not_breached_long_enough": "beyond its threshold, but not yet for long enough",
    "metric_within_limits": "the measure is within its threshold",
    "metric_not_recovered": "it has fired, and the measure has not recovered since",
    "metric_not_observed_long_enough": "it was not measured for long enough",
    "metric_without_data": "there is nothing to measure",
    "event_without_value": "this event has no such value",
    "deadline_set": "this event sets the deadline, {ends}",
    "deadline_met": "the deadline was met",
    "no_deadline_set": "there is no deadline for this run",
    "threshold_reached": "{counted}",
    "triggers_met": "{counted} triggers have fired",
    "fresh": "it was seen in time",
    "stale": "it was not seen in time",
    "scheduled_time": "its time has come",
    "metric_breached": "the measure is beyond its threshold",
    "resolved": "this event says that it is over",
}
_DECIDED_BY_A_CHECK: Final = frozenset({"match", "match_related", "where_false", "where_error"})
_COUNTS: Final = frozenset({"threshold", "require", "steps"})


def sentence(found: Found) -> str:
    """Return the reason in words, with what was expected and what there was; maybe nothing."""
    reason = found["reason"]
    for stage in found.get("control") or []:
        if stage.get("reason") == reason and stage["verdict"] != "pass":
            return f"{cell(stage['stage'])}: {_of_stage(stage, day_of(found))}"
    part = next((each for each in _parts(found["tree"]) if each["verdict"] == reason), None)
    said = _WORDS.get(reason, "")
    if part is None:
        return said
    if part["trigger"] == "schedule" and not found["fired"]:
        return "no event sets it off: its times do"
    if reason == "error":
        return cell(part["detail"])
    if reason in _DECIDED_BY_A_CHECK:
        return next(_unmet(part), said)
    return _counted(said, part, day_of(found))


def _of_stage(stage: Found, day: str) -> str:
    """Return why a stage held a firing back; conditions: the one that does not hold."""
    for met, written, saw in conditions(stage):
        if met is False:
            return f"{written}: {saw}" if saw else written
    return words(stage, day)


def _parts(part: Found) -> Iterator[Found]:
    yield part
    for each in part["parts"]:
        yield from _parts(each)


def _unmet(part: Found) -> Iterator[str]:
    """Yield what was asked for in vain."""
    for check in part["checks"]:
        if check["met"] is not False or check["what"] in _COUNTS:
            continue
        if values := check.get("values"):
            saw = ", ".join(f"{cell(path)} is {shown(value)}" for path, value in values.items())
            yield f"where {cell(check['expected'])}: {saw}"
        else:
            expected, actual = shown(check["expected"]), shown(check["actual"])
            yield f"{cell(check['what'])}: expected {expected}, actual {actual}"


def _counted(said: str, part: Found, day: str) -> str:
    """Return the words with the count so far and the end of the window, where they speak of it."""
    count = next((check for check in part["checks"] if check["what"] in _COUNTS), None)
    window = part["window"] or {}
    if said == "{counted}" and count and count["expected"] == 1:
        return ""  # it goes without saying
    ends = moment(window["ends"], day) if window.get("ends") else "-"
    counted = f"{shown(count['actual'])} of {shown(count['expected'])}" if count else "?"
    return said.format(ends=ends, counted=counted)


def shown(value: Any) -> str:
    """Return one side of a check: names, labels and numbers as they are written."""
    if isinstance(value, list):
        return ", ".join(map(shown, value))
    if isinstance(value, Mapping):
        return ", ".join(f"{cell(key)} {shown(each)}" for key, each in value.items())
    return f"{value:g}" if isinstance(value, float) else literal(value)
