"""Reference cases of event triggers: what a rule means, one line each."""

from __future__ import annotations

from typing import Any

import pytest

from tests.automations.playing import outcomes, play
from upshot.automations.firing import Firing

A: dict[str, Any] = {"expect": "a.done"}
THRICE = {**A, "threshold": 3, "within": 10}
THEN = {"after": "a.done", "expect": "b.done", "within": 10}
BEAT = {**A, "posture": "Proactive", "within": 10}
MISSING = {**THEN, "posture": "Proactive"}
EACH = {"for_each": "id"}

CASES: list[tuple[str, dict[str, Any], str, str]] = [
    ("fires on each event where there is no within", A, "A1 A1 A2", "1 1 2"),
    ("does not fire on other events", A, "B1 C2 |9", ""),
    ("expects any of several names", {"expect": ["a.done", "c.done"]}, "A1 B2 C3", "1 3"),
    ("a glob takes all names it fits", {"expect": "flow-run.*"}, "run1 A2 fail3", "1 3"),
    ("a glob in the middle", {"expect": "flow*.failed"}, "run1 fail3", "3"),
    ("an empty expect takes all that match", {"match": {"id": "x"}}, "A1:x B2:x A3:y", "1 2"),
    ("a label must be what was asked", {**A, "match": {"env": "prod"}},
     "A1 A2(.env=prod) A3(.env=dev)", "2"),
    ("a list of values is an or", {**A, "match": {"env": ["prod", "dev"]}},
     "A1(.env=prod) A2(.env=dev) A3(.env=qa)", "1 2"),
    ("labels are an and", {**A, "match": {"env": "prod", "zone": "a"}},
     "A1(.env=prod) A2(.env=prod,.zone=a)", "2"),
    ("a glob in a label", {**A, "match": {"id": "nightly-*"}}, "A1:nightly-1 A2:hourly-1", "1"),
    ("a negated value", {**A, "match": {"env": "!dev"}}, "A1(.env=prod) A2(.env=dev) A3", "1 3"),
    ("a negated glob", {**A, "match": {"id": "!tmp-*"}}, "A1:tmp-1 A2:x", "2"),
    ("values and negations together", {**A, "match": {"id": ["a*", "!ab"]}},
     "A1:aa A2:ab A3:b", "1"),
    ("a label that is missing does not match", {**A, "match": {"env": "*"}},
     "A1 A2(.env=x)", "2"),
    ("a related resource must match", {**A, "match_related": {"role": "flow", "name": "etl"}},
     "A1 A2(^flow=etl) A3(^flow=x) A4(^tag=etl)", "2"),
    ("each related spec by some resource",
     {**A, "match_related": [{"role": "flow", "name": "etl"}, {"role": "tag", "name": "db"}]},
     "A1(^flow=etl) A2(^tag=db) A3(^flow=etl,^tag=db)", "3"),
    ("one spec by one and the same resource",
     {**A, "match_related": {"role": "flow", "name": "db"}}, "A1(^flow=etl,^tag=db)", ""),
    ("a where that holds", {**A, "where": "event.payload.n > 2"}, "A1(n=1) A2(n=3)", "2"),
    ("a where that can not be evaluated does not match", {**A, "where": "event.payload.n > 2"},
     "A1 A2(n=3)", "2"),
    ("a where over labels", {**A, "where": "event.resource.id.startsWith('x')"}, "A1:x A2:y", "1"),
    ("fires at the threshold", THRICE, "A1 A2 A3", "3"),
    ("not below the threshold", THRICE, "A1 A2 |99", ""),
    ("counts only within the window", THRICE, "A1 A2 A11", ""),
    ("the last moment is within", THRICE, "A1 A2 A10.999", "10.999"),
    ("is quiet until the window ends", THRICE, "A1 A2 A3 A4 A5 A6", "3"),
    ("counts anew in the next window", THRICE, "A1 A2 A3 A4 A12 A13 A14", "3 14"),
    ("a burst fires once", {**A, "within": 10}, "A1 A2 A3 A4", "1"),
    ("a threshold counts several names", {**THRICE, "expect": ["a.done", "b.done"]},
     "A1 B2 A3", "3"),
    ("a threshold counts what matches only", {**THRICE, "match": {"id": "x"}},
     "A1:x A2:y A3:x A4:x", "4"),
    ("what where refuses is not counted", {**THRICE, "where": "event.payload.n == 1"},
     "A1(n=1) A2(n=2) A3(n=1) A4(n=1)", "4"),
    ("a threshold reached twice at the same time", {**A, "threshold": 2, "within": 1},
     "A1 A1 A1 A1", "1"),
    ("each value counts for itself", {**THRICE, **EACH}, "A1:x A2:y A3:x A4:y A5:x", "5:x"),
    ("each value fires for itself", {**A, "threshold": 2, "within": 9, **EACH},
     "A1:x A2:y A3:x A4:y", "3:x 4:y"),
    ("a missing value is a value", {**A, "threshold": 2, "within": 9, "for_each": "env"},
     "A1 A2(.env=x) A3", "3"),
    ("several entries make one key", {**A, "for_each": ["id", "env"]},
     "A1:x(.env=p)", '1:["x","p"]'),
    ("a related label as the key", {**A, "for_each": "related:flow:name"},
     "A1(^flow=etl)", "1:etl"),
    ("a payload path as the key", {**A, "for_each": "payload.n"}, "A1(n=7)", "1:7"),
    ("after opens the window", THEN, "B1 A2 B3", "3"),
    ("after, and then too late", THEN, "A1 B11", ""),
    ("after, and the firing closes it", THEN, "A1 B2 B3", "2"),
    ("after again opens it again", THEN, "A1 B2 A3 B4", "2 4"),
    ("after does not prolong an open window", THEN, "A1 A9 B12", ""),
    ("after with a threshold", {**THEN, "threshold": 2}, "A1 B2 B3", "3"),
    ("after for each", {**THEN, **EACH}, "A1:x B2:y B3:x", "3:x"),
    ("after and expect the same event", {**A, "after": "a.done", "within": 10}, "A1 A2", "2"),
    ("absence from the definition on", BEAT, "|10 |11", "10"),
    ("absence again and again", BEAT, "|35", "10 20 30"),
    ("a heartbeat in time", BEAT, "A9 |18", ""),
    ("a heartbeat that stops", BEAT, "A9 A18 |28", "28"),
    ("a heartbeat at the very end", BEAT, "A10 |19", ""),
    ("the wrong heart beats", BEAT, "B9 |11", "10"),
    ("too few heartbeats", {**BEAT, "threshold": 2}, "A1 |11", "10"),
    ("enough heartbeats", {**BEAT, "threshold": 2}, "A1 A2 |11", ""),
    ("absence for each begins with its first event", {**BEAT, **EACH},
     "A1:x |5 A6:y |17", "11:x 16:y"),
    ("missing after", MISSING, "A1 |12", "11"),
    ("it came after", MISSING, "A1 B2 |99", ""),
    ("missing once only", MISSING, "A1 |99", "11"),
    ("nothing is missing before after", MISSING, "B1 |99", ""),
    ("after again does not put it off", MISSING, "A1 A8 |99", "11"),
    ("missing for each", {**MISSING, **EACH}, "A1:x A2:y B3:x |99", "12:y"),
    ("stuck: pending but never running", {"posture": "Proactive", "after": "flow-run.pending",
     "expect": ["flow-run.running", "flow-run.c*"], "for_each": "id", "within": 10},
     "pend1:a pend2:b run3:a crash4:b pend5:c |99", "15:flow-run.c"),
    ("a run that finished is not reported as stuck", {"posture": "Proactive",
     "after": "flow-run.running", "expect": "flow-run.*", "match": {"id": "flow-run.*"},
     "for_each": "id", "within": 10}, "run1:a ok2:a |99", ""),
]  # fmt: skip


@pytest.mark.parametrize(
    ("trigger", "line", "expected"), [pytest.param(*case[1:], id=case[0]) for case in CASES]
)
def test_an_event_trigger(trigger: dict[str, Any], line: str, expected: str) -> None:
    assert play(trigger, line) == expected


def test_silence_in_a_gap_is_no_absence() -> None:
    assert play(BEAT, "A1 |100", gaps=[(5, 65)]) == "71 81 91"
    assert play(MISSING, "A1 |100", gaps=[(5, 65)]) == "71"


def test_a_firing_names_every_contributing_event() -> None:
    (firing,) = outcomes(THRICE, "A1 A2 A3")
    assert isinstance(firing, Firing)
    assert firing.positions == ("1000-0", "2000-1", "3000-2")


def test_an_old_event_is_counted_when_it_comes() -> None:
    """What occurred long ago, by its sender's clock, is judged by when it was received."""
    assert play({**A, "threshold": 2, "within": 10}, "A100 A101") == "101"
