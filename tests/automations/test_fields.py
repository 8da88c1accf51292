"""Fields that a definition reads are held against those that recorded events have."""

from __future__ import annotations

from typing import Any

import pytest

from upshot.automations.definition import Automation
from upshot.automations.expressions.expression import ActionExpression
from upshot.automations.review.fields import Known, known_of, missing, names_of, reads_of
from upshot.automations.templates.template import Template

EVENT: dict[str, Any] = {
    "id": "e",
    "event": "flow-run.failed",
    "occurred": "2026-11-20T07:00:00Z",
    "resource": {"id": "flow-run.1", "name": "otter"},
    "related": [{"id": "deployment.1", "role": "deployment", "name": "etl/nightly"}],
    "payload": {"attempt": 1, "state": {"name": "Failed"}, "rows": [{"n": 1}], "extra": None},
    "follows": None,
}
OTHER = {**EVENT, "payload": {"late": True, "extra": {"a": 1}}}


NAMELESS = {"expect": ["a"], "where": "event.nme == ''"}


def automation(**more: Any) -> Automation:
    given = {
        "name": "one",
        "trigger": {"expect": ["flow-run.failed"]},
        "actions": [{"notify": {"to": "x"}}],
    }
    return Automation.model_validate({**given, **more})


def warned(**more: Any) -> list[tuple[str, str]]:
    known = known_of([EVENT, OTHER])
    found = missing(reads_of(automation(**more)), known, "the last 2 events")
    return [(each["field"], each["message"]) for each in found]


def notify(text: str) -> dict[str, Any]:
    return {"actions": [{"notify": {"to": "x", "title": text}}]}


@pytest.mark.parametrize(
    "text",
    [
        "{{ event.payload.attempt }} {{ event.payload.late }}",
        "{{ event.payload.state.name }}",
        "{{ event['payload']['attempt'] }}",
        "{{ event.payload[event.id] }}",
        "{{ event.payload.rows[0].whatever }}",
        "{{ event.payload.rows | length }}",
        "{{ event.payload.extra.anything }}",
        "{{ event.payload.attemt | default('none') }}",
        "{% if event.payload.attemt is defined %}{{ event.payload.attemt }}{% endif %}",
        "{{ event.resource.name.upper() }}",
        "{{ event.payload.items() | list }}",
        "{{ event.related[0].name }}",
        "{{ event.causation.depth }}",
        "{{ firing.whatever }} {{ variables.whatever }} {{ events[0].whatever }}",
        "event.payload.attemt",
    ],
)
def test_a_template_that_reads_what_there_is_or_may_lack_it_is_fine(text: str) -> None:
    assert warned(**notify(text)) == []


@pytest.mark.parametrize(
    ("text", "written", "meant"),
    [
        ("{{ event.payload.attemt }}", "event.payload.attemt", "attempt"),
        ("{{ event.paylod.attempt }}", "event.paylod.attempt", "payload"),
        ("{{ event['payload']['attemt'] + 1 }}", "event.payload.attemt", "attempt"),
        ("{% if event.payload.state.nme == 'x' %}{% endif %}", "event.payload.state.nme", "name"),
        ("{{ event.resource.nam.upper() }}", "event.resource.nam", "name"),
        ("{% for r in event.payload.row %}{{ r }}{% endfor %}", "event.payload.row", "rows"),
    ],
)
def test_a_field_that_no_event_has_is_told_with_what_may_be_meant(
    text: str, written: str, meant: str
) -> None:
    ((place, message),) = warned(**notify(text))
    assert place == "actions.0.notify.title"
    assert message == f"{written}: none of the last 2 events has it (did you mean '{meant}'?)"


@pytest.mark.parametrize(
    ("more", "place", "written"),
    [
        (
            {"trigger": {"expect": ["a"], "where": "event.payload.attemt < 3"}},
            "trigger.where",
            "event.payload.attemt",
        ),
        (
            {"conditions": ["true", "runs('flow:' + event.payload.flw) == 0"]},
            "conditions.1",
            "event.payload.flw",
        ),
        (
            {"actions": [{"retry-flow-run": {"if": "event.payload.attemt < 3"}}]},
            "actions.0.retry-flow-run.if",
            "event.payload.attemt",
        ),
        (
            {"actions": [{"emit-event": {"event": "x", "payload": {"a": ["{{ event.nme }}"]}}}]},
            "actions.0.emit-event.payload.a.0",
            "event.nme",
        ),
        (
            {"trigger": {"expect": ["a"], "for_each": ["payload.attemt", "name"]}},
            "trigger.for_each",
            "payload.attemt",
        ),
        ({"trigger": {"expect": ["a"], "for_each": ["nam"]}}, "trigger.for_each", "nam"),
        (
            {"trigger": {"expect": ["a"], "for_each": ["related:deploymnt:name"]}},
            "trigger.for_each",
            "related:deploymnt:name",
        ),
        (
            {"control": {"throttle": {"limit": 1, "per": "1m", "key": "resource.nme"}}},
            "control.throttle.key",
            "resource.nme",
        ),
        (
            {
                "trigger": {
                    "type": "compound",
                    "require": "any",
                    "triggers": [{"expect": ["a"], "where": "event.nme == ''"}],
                }
            },
            "trigger.triggers.0.where",
            "event.nme",
        ),
    ],
)
def test_everything_that_reads_events_is_looked_at(more: Any, place: str, written: str) -> None:
    ((found, message),) = warned(**more)
    assert found == place
    assert message.startswith(f"{written}: none of")


def test_a_condition_may_ask_for_what_is_not_there() -> None:
    source = "has(event.payload.attemt) && event.payload.attemt < 3"
    assert warned(trigger={"expect": ["a"], "where": source}) == []
    assert ActionExpression("has(event.a.b) || event.a.c == 1").needed == [("event", "a", "c")]


def test_an_object_with_very_many_keys_has_keys_that_are_data() -> None:
    known = Known()
    known.add({"payload": {f"k{n}": n for n in range(2_000)}})
    assert known.lacks(("payload", "other")) is None
    assert known.lacks(("paylod",)) == ("paylod", frozenset({"payload"}))


def test_a_template_tells_what_it_reads() -> None:
    text = "{{ event.a.b.c(event.d['e'][0].f) ~ events[0].x ~ firing.at }}"
    assert set(Template(text).needed) == {
        ("event", "a", "b"),
        ("event", "d", "e"),
        ("events",),
        ("firing", "at"),
    }


def test_the_names_of_all_triggers_within_count() -> None:
    parts = [{"expect": ["a", "b"]}, {"not": {"expect": ["c"]}}]
    nested = {"type": "sequence", "triggers": parts, "within": "1h"}
    assert names_of(automation(trigger=nested)) == ["a", "b", "c"]
    assert names_of(automation(trigger={"type": "schedule", "interval": "1h"})) == []
