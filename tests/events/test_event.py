"""The event: what it takes, what it refuses and why, and that the log can always read it back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import from_json

from upshot.events.event import (
    MAX_CHAIN,
    MAX_EVENT_BYTES,
    MAX_LABELS,
    MAX_NESTING,
    MAX_RELATED,
    Causation,
    Event,
    Recorded,
)
from upshot.events.exceptions import InvalidEvent

SOME: dict[str, Any] = {"event": "thing.happened", "resource": {"id": "thing.1"}}

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def parse(**changes: Any) -> Event:
    return Event.of(**{**SOME, **changes})


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def test_an_event_gets_an_id_and_a_time_of_its_own() -> None:
    first, second = parse(), parse()
    assert first.id != second.id
    assert first.occurred.tzinfo is not None
    assert abs((datetime.now(UTC) - first.occurred).total_seconds()) < 60


def test_the_log_form_has_every_field_and_no_empty_causation() -> None:
    body = from_json(parse(id="a", occurred="2026-11-20T07:00:00.123456Z").to_json())
    assert body == {
        "id": "a",
        "event": "thing.happened",
        "occurred": "2026-11-20T07:00:00.123456Z",
        "resource": {"id": "thing.1"},
        "related": [],
        "payload": {},
        "follows": None,
    }


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"event": "Thing.Happened"}, "event"),
        ({"event": ""}, "event"),
        ({"event": "thing..happened"}, "event"),
        ({"event": "thing.happened\n"}, "event"),
        ({"event": "a" * 129}, "event"),
        ({"event": 3}, "event"),
        ({"id": ""}, "id"),
        ({"id": "a b"}, "id"),
        ({"id": "a" * 201}, "id"),
        ({"occurred": "2026-11-20T07:00:00"}, "occurred"),
        ({"occurred": "yesterday"}, "occurred"),
        ({"resource": {}}, "resource"),
        ({"resource": {"id": ""}}, "resource"),
        ({"resource": {"name": "without id"}}, "resource"),
        ({"resource": {"id": "a", "n": 1}}, "resource.n"),
        ({"resource": {"id": "a", "n": "v" * 1025}}, "resource.n"),
        ({"resource": {"id": "a", "bad name": "v"}}, "resource"),
        ({"resource": {"id": "a", **{f"l{i}": "" for i in range(MAX_LABELS)}}}, "resource"),
        ({"related": [{"role": "x"}]}, "related.0"),
        ({"related": [{"id": str(i)} for i in range(MAX_RELATED + 1)]}, "related"),
        ({"payload": [1]}, "payload"),
        ({"payload": None}, "payload"),
        ({"follows": "not an id"}, "follows"),
        ({"causation": {"depth": -1}}, "causation.depth"),
        ({"causation": {"automations": {"a": 0}}}, "causation.automations"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_refusal_names_the_field(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidEvent) as refused:
        parse(**changes)
    assert str(refused.value).startswith(field)


@pytest.mark.parametrize("missing", ["event", "resource"])
def test_a_missing_field_is_named(missing: str) -> None:
    with pytest.raises(InvalidEvent, match=f"^{missing}: "):
        Event.of(**{key: value for key, value in SOME.items() if key != missing})


def test_an_event_of_exactly_the_largest_size_is_taken_and_no_larger_one() -> None:
    room = MAX_EVENT_BYTES - len(parse(id="a", payload={"x": ""}).to_json())
    assert len(parse(id="a", payload={"x": "y" * room}).to_json()) == MAX_EVENT_BYTES
    with pytest.raises(InvalidEvent, match="262,145 bytes; at most 262,144"):
        parse(id="a", payload={"x": "y" * (room + 1)}).to_json()


@pytest.mark.parametrize("levels", [MAX_NESTING - 1, 150, 210, 240, 254, 300])
def test_a_payload_that_readers_could_not_parse_is_refused(levels: int) -> None:
    """One such event in the log would stop every reader of it for ever."""
    with pytest.raises(InvalidEvent, match="payload"):
        Event(**SOME, payload={"x": nested(levels)}).to_json()


def test_nesting_that_is_allowed_can_be_wrapped_and_read() -> None:
    body = Event(**SOME, payload={"x": nested(MAX_NESTING - 2)}).to_json()
    assert from_json(b'[{"a":{"b":[' + body + b"]}}]")


def test_many_small_objects_next_to_each_other_are_no_nesting() -> None:
    assert Event(**SOME, payload={"x": [{"y": [i]} for i in range(500)]}).to_json()


@pytest.mark.parametrize(
    "value", [10**5000, "\ud800", object(), b"\xff"], ids=["number", "surrogate", "object", "bytes"]
)
def test_a_payload_that_is_no_json_is_refused(value: object) -> None:
    with pytest.raises(InvalidEvent, match="payload"):
        Event(**SOME, payload={"x": value}).to_json()


@given(st.dictionaries(st.text(), JSON, max_size=4))
def test_whatever_is_accepted_can_be_read_back_the_same(payload: dict[str, Any]) -> None:
    event = Event(**SOME, payload=payload)
    assert Event.model_validate_json(event.to_json()) == event
    assert from_json(event.to_json())["payload"] == payload


def test_passing_an_automation_is_counted_and_the_chain_stays_bounded() -> None:
    way = Causation()
    for number in range(MAX_CHAIN + 5):
        way = way.passing(f"event-{number}", "a" if number % 2 else "b")
    assert way.depth == MAX_CHAIN + 5
    assert way.automations == {"a": 18, "b": 19}
    assert way.chain == [f"event-{number}" for number in range(5, MAX_CHAIN + 5)]
    assert Causation.model_validate_json(way.model_dump_json()) == way


def test_passing_many_automations_keeps_the_latest_of_them() -> None:
    way = Causation()
    for number in range(300):
        way = way.passing("event", f"automation-{number}")
    assert len(way.automations) == 256
    assert "automation-299" in way.automations


def test_a_recorded_event_shows_its_parts() -> None:
    body = from_json(parse(id="a", payload={"x": 1}, causation={"depth": 2}).to_json())
    event = Recorded("5-0", 5, body)
    assert (event.id, event.name, event.payload) == ("a", "thing.happened", {"x": 1})
    assert event.resource == {"id": "thing.1"}
    assert event.related == []
    assert event.causation.depth == 2
    assert not event.own
