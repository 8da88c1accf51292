"""What an event trigger means: windows, thresholds, quiet, absence, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from tests.automations.making import automation, event, feed, told
from upshot.automations.evaluation.evaluator import Evaluator
from upshot.automations.logtime import OpenTime
from upshot.automations.triggers import EventTrigger, Facts, Reason, Window

S = 1000


def play(trigger: dict[str, Any], steps: list[tuple[str, int] | int]) -> list[tuple[str, str, int]]:
    """Run a trigger over (name, second) events and lone seconds that the clock reaches."""
    evaluator = Evaluator()
    evaluator.define(automation(**trigger), 1, 0)
    outcomes = []
    for number, step in enumerate(steps):
        if isinstance(step, int):
            outcomes += evaluator.advance(step * S)
        else:
            outcomes += evaluator.on_event(event(step[0], step[1] * S, number))
    return [(reason, bucket, at // S) for reason, bucket, at in told(outcomes)]


def fired(trigger: dict[str, Any], steps: list[tuple[str, int] | int]) -> list[int]:
    return [at for _, _, at in play(trigger, steps)]


A, B, X = "a.done", "b.done", "x.done"
ONCE = {"expect": A}
THRICE = {"expect": A, "threshold": 3, "within": 10}
QUIET = {"expect": A, "within": 10}
THEN = {"after": A, "expect": B, "within": 10}
HEARTBEAT = {"posture": "Proactive", "expect": A, "within": 10}
MISSING = {"posture": "Proactive", "after": A, "expect": B, "within": 10}


@pytest.mark.parametrize(
    ("trigger", "steps", "expected"),
    [
        pytest.param(ONCE, [(A, 1), (A, 1), (B, 2), (A, 3)], [1, 1, 3], id="without within: each"),
        pytest.param({"expect": "a.*"}, [(A, 1), (B, 2)], [1], id="a glob"),
        pytest.param({"match": {"id": "thing.1"}}, [(A, 1), (B, 2)], [1, 2], id="empty expect"),
        pytest.param(THRICE, [(A, 1), (A, 2), (A, 3)], [3], id="at the threshold"),
        pytest.param(THRICE, [(A, 1), (A, 2), (A, 11)], [], id="the window's end is outside it"),
        pytest.param(THRICE, [(A, 1), (A, 2), (A, 10)], [10], id="its last second is inside"),
        pytest.param(THRICE, [(A, n) for n in range(1, 10)], [3], id="then quiet until the end"),
        pytest.param(QUIET, [(A, 1), (A, 5), (A, 10), (A, 11), (A, 12)], [1, 11], id="then anew"),
        pytest.param(THRICE, [(A, 1), (A, 12), (A, 13), (A, 14)], [14], id="an old count is gone"),
        pytest.param(THEN, [(B, 1), (A, 2), (B, 3), (B, 4)], [3], id="after opens, firing closes"),
        pytest.param(THEN, [(A, 1), (B, 11), (A, 12), (B, 13)], [13], id="too late after"),
        pytest.param(THEN, [(A, 1), (A, 9), (B, 12)], [], id="after does not prolong"),
        pytest.param(
            {"after": A, "expect": A, "threshold": 2, "within": 10},
            [(A, 1), (A, 2), (A, 3), (A, 4), (A, 5)],
            [3, 5],
            id="one event both expected and opening counts first and opens then",
        ),
        pytest.param(HEARTBEAT, [9, 10, 11], [10], id="absence from the definition on"),
        pytest.param(HEARTBEAT, [(A, 6), 16, 17], [16], id="a fresh match restarts it"),
        pytest.param(HEARTBEAT, [(A, 10), 20], [], id="in the very last moment"),
        pytest.param(HEARTBEAT, [35], [10, 20, 30], id="as long as it lasts, each window"),
        pytest.param(HEARTBEAT, [(B, 6), 11], [10], id="another event is no heartbeat"),
        pytest.param(
            {**HEARTBEAT, "threshold": 2}, [(A, 1), 11, (A, 12), (A, 13), 23, 24], [10, 23],
            id="fewer than the threshold",
        ),
        pytest.param(MISSING, [(A, 1), 11, 12, 99], [11], id="missing after, once"),
        pytest.param(MISSING, [(A, 1), (B, 2), 99], [], id="it came"),
        pytest.param(MISSING, [(A, 1), (B, 2), (A, 3), 99], [13], id="it came, but not again"),
        pytest.param(MISSING, [(A, 1), (A, 8), 99], [11], id="opening again does not put it off"),
        pytest.param(MISSING, [99], [], id="nothing is expected before after"),
    ],
)  # fmt: skip
def test_a_trigger_fires_when(
    trigger: dict[str, Any], steps: list[tuple[str, int] | int], expected: list[int]
) -> None:
    assert fired(trigger, steps) == expected


def test_each_bucket_counts_alone_and_a_missing_value_has_one_of_its_own() -> None:
    evaluator = Evaluator()
    trigger: dict[str, Any] = {"expect": A, "threshold": 2, "within": "1m"}
    evaluator.define(automation(for_each=["name", "related:flow:id"], **trigger), 1, 0)
    flow = [{"role": "flow", "id": "f"}, {"role": "flow", "id": "g"}]
    outcomes = feed(
        evaluator,
        event(A, 1, resource={"name": "x"}, related=flow),
        event(A, 2, resource={"name": "y"}, related=flow),
        event(A, 3),
        event(A, 4, resource={"name": "x"}, related=flow),
        event(A, 5),
    )
    assert told(outcomes) == [
        ("threshold_reached", '["x","f"]', 4),
        ("threshold_reached", '["",""]', 5),
    ]
    assert [each.labels for each in outcomes if hasattr(each, "labels")] == [
        {"name": "x", "related:flow:id": "f"},
        {"name": "", "related:flow:id": ""},
    ]


@pytest.mark.parametrize(
    ("entry", "bucket"),
    [
        ("id", "thing.1"), ("resource.id", "thing.1"), ("payload.n", "3"), ("payload.a.b", "c"),
        ("payload.a", '{"b": "c"}'), ("payload.nope.b", ""), ("nope", ""),
        ("related:flow:name", "etl"), ("related:nope:name", ""),
    ],
)  # fmt: skip
def test_a_bucket_is_named_by_a_label_a_related_label_or_a_payload_path(
    entry: str, bucket: str
) -> None:
    trigger = EventTrigger.model_validate({"expect": A, "for_each": entry})
    facts = Facts(
        event(A, 1, payload={"n": 3, "a": {"b": "c"}}, related=[{"role": "flow", "name": "etl"}])
    )
    assert trigger.bucket(facts) == bucket


@pytest.mark.parametrize(
    ("trigger", "more", "reason"),
    [
        ({"expect": B}, {}, Reason.NOT_EXPECTED),
        ({"expect": A, "match": {"id": "other"}}, {}, Reason.NO_MATCH),
        ({"expect": A, "match_related": {"role": "flow"}}, {}, Reason.NO_RELATED_MATCH),
        ({"expect": A, "where": "event.payload.n > 1"}, {"payload": {"n": 1}}, Reason.WHERE_FALSE),
        ({"expect": A, "where": "event.payload.n > 1"}, {}, Reason.WHERE_ERROR),
        ({"expect": B, "after": A, "within": 1}, {}, Reason.OPENED),
        ({"expect": A, "after": B, "within": 1}, {}, Reason.NOT_OPEN),
        ({"expect": A, "threshold": 2, "within": 1}, {}, Reason.COUNTED),
        ({"expect": A}, {}, Reason.REACHED),
        ({"expect": A, "posture": "Proactive", "within": 1}, {}, Reason.SATISFIED),
    ],
)
def test_every_decision_names_its_reason(
    trigger: dict[str, Any], more: dict[str, Any], reason: Reason
) -> None:
    parsed = EventTrigger.model_validate(trigger)
    verdict = parsed.decide(None, Facts(event(A, 1, **more)), OpenTime())
    assert verdict.reason is reason
    assert verdict.fires is (reason is Reason.REACHED)


def test_several_related_specs_must_each_be_met_by_some_related_resource() -> None:
    trigger = EventTrigger.model_validate(
        {
            "expect": A,
            "match_related": [{"role": "flow", "name": "etl"}, {"role": "x", "id": "t"}],
        }
    )
    flow, tag = {"role": "flow", "name": "etl"}, {"role": "x", "id": "t"}
    assert trigger.decide(None, Facts(event(A, 1, related=[tag, flow])), OpenTime()).fires
    assert not trigger.decide(None, Facts(event(A, 1, related=[flow])), OpenTime()).fires


@pytest.mark.parametrize(
    ("trigger", "complaint"),
    [
        ({}, "needs a 'match'"),
        ({"expect": A, "threshold": 0}, "threshold"),
        ({"expect": A, "threshold": 2}, "needs a 'within'"),
        ({"expect": A, "after": B}, "needs a 'within'"),
        ({"expect": A, "posture": "Proactive"}, "at least 1s"),
        ({"expect": A, "posture": "Proactive", "within": "500ms"}, "at least 1s"),
        ({"expect": A, "posture": "proactive"}, "posture"),
        ({"expect": "No Name"}, "expect"),
        ({"expect": A, "for_each": "related:flow"}, "related:<role>:<label>"),
        ({"expect": A, "for_each": "related::name"}, "related:<role>:<label>"),
        ({"expect": A, "for_each": "payload."}, "payload.<path>"),
        ({"expect": A, "for_each": "event.payload.site"}, "write 'payload.site'"),
        ({"expect": A, "for_each": "event.resource.name"}, "write 'resource.name'"),
        ({"expect": A, "wher": "true"}, "wher"),
        ({"expect": A, "where": "event.x <"}, "where"),
        ({"expect": A, "within": "10 minutes"}, "within"),
    ],
)
def test_an_incoherent_trigger_is_refused(trigger: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        EventTrigger.model_validate(trigger)


def test_a_window_survives_being_kept() -> None:
    window = Window(1, 2, "1-0", "e", 3, True, ("1-0", "1-1"), {"depth": 1})
    assert Window.from_json(window.to_json()) == window
    assert Window.from_json(Window(0, 0, "").to_json()) == Window(0, 0, "")


def test_only_the_newest_hundred_contributing_positions_are_kept() -> None:
    evaluator = Evaluator()
    evaluator.define(automation(expect=A, threshold=1000, within="1h"), 1, 0)
    feed(evaluator, *(event(A, at) for at in range(1, 251)))
    ((_, window),) = evaluator.windows
    assert isinstance(window, Window)
    assert window.count == 250
    assert window.positions == tuple(f"{at}-0" for at in range(151, 251))
    assert evaluator.oldest_position() == "151-0"
