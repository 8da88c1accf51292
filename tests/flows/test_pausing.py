"""What pausing and resuming make of a run in each state: always legal, or refused with a reason."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import from_json

from upshot.flows.exceptions import InvalidInput, NotPausable, NotResumable
from upshot.flows.runs.flowrun import FlowRun, Pause, new_run
from upshot.flows.runs.pausing import answered, check_input, paused, resumed
from upshot.flows.runs.transitions import Seen, after
from upshot.flows.states import LEGAL, NAMES, State, StateType

SCHEMA = {
    "type": "object",
    "properties": {"n": {"type": "integer"}, "who": {"$ref": "#/$defs/Who"}},
    "required": ["n"],
    "$defs": {"Who": {"type": "object", "properties": {"age": {"type": "integer"}}}},
}
states = st.sampled_from(sorted(NAMES))
pools = st.sampled_from(["default", ""])


def run(state: str, pool: str = "default", **rest: Any) -> FlowRun:
    return new_run("f", state=State(state), pool=pool, **rest)


@given(state=states, pool=pools)
def test_pausing_is_legal_idempotent_or_refused(state: str, pool: str) -> None:
    one = run(state, pool)
    try:
        change = paused(one, "why")
    except NotPausable:
        assert one.state.ended or one.state.type is StateType.CANCELLING
        return
    if change is None:
        assert one.state.type is StateType.PAUSED
        return
    assert change.state.type in LEGAL[one.state.type]
    assert change.lease == (one.state.type is not StateType.SCHEDULED)
    assert (change.state.name == "Suspended") == (change.lease and bool(pool))
    assert paused(after(one, change.state, fields=change.fields), "again") is None


@given(state=states, pool=pools, occupied=st.booleans(), attempt=st.integers(0, 2))
def test_resuming_is_legal_idempotent_or_refused(
    state: str, pool: str, occupied: bool, attempt: int
) -> None:
    one = run(state, pool, attempt=attempt)
    try:
        change = resumed(one, "why", Seen(occupied, 0))
    except NotResumable:
        by_hand = one.state.type is StateType.PAUSED and not (pool or occupied)
        assert by_hand or one.state.ended or one.state.type is StateType.CANCELLING
        return
    if change is None:
        assert one.state.type is not StateType.PAUSED
        return
    assert change.state.name == ("Running" if occupied else "Scheduled")
    later = after(one, change.state, fields=change.fields)
    assert later.resumed == (attempt > 0 and not occupied)
    assert not after(later, State("Pending")).resumed or later.resumed
    assert not after(later, State("Failed")).resumed


def test_a_run_that_was_to_start_later_still_does() -> None:
    late = run("Paused", scheduled="2026-03-04T00:00:00.000000Z")
    due = 1_772_582_400_000
    change = resumed(late, "", Seen(False, due - 1))
    assert change is not None
    assert change.due_ms == due
    change = resumed(late, "", Seen(False, due))
    assert change is not None
    assert change.due_ms == 0


def test_an_answer_is_for_the_wait_that_it_answers() -> None:
    one = run("Suspended", pause=Pause("event-1", awaits={"expect": ["a"]}))
    assert answered(one, "event-2", {"event": {}}, "", Seen(False, 0)) is None
    change = answered(one, "event-1", {"event": {}}, "", Seen(False, 0))
    assert change is not None
    body = change.fields["input:event-1"]
    assert isinstance(body, bytes)
    assert from_json(body) == {"event": {}}
    gone_on = after(one, change.state, fields=change.fields)
    assert answered(gone_on, "event-1", {"event": {}}, "", Seen(False, 0)) is None
    with pytest.raises(NotResumable, match="waits for an event"):
        resumed(one, "", Seen(False, 0))


@pytest.mark.parametrize(
    ("value", "fields"),
    [
        ({"n": 1}, []),
        ({"n": "1"}, ["input.n"]),
        ({}, ["input.n"]),
        ([], ["input"]),
        (None, ["input"]),
        ({"n": 1, "who": {"age": "x"}}, ["input.who.age"]),
        ({"n": None, "who": 1}, ["input.n", "input.who"]),
    ],
)
def test_each_field_that_is_wrong_is_named(value: Any, fields: list[str]) -> None:
    pause = Pause("k", schema=SCHEMA)
    if not fields:
        check_input(pause, value)
        return
    with pytest.raises(InvalidInput) as refused:
        check_input(pause, value)
    assert sorted(field for field, _ in refused.value.wrong) == fields


def fits(schema: dict[str, Any], value: Any) -> bool:
    try:
        check_input(Pause("k", schema=schema), value)
    except InvalidInput:
        return False
    return True


def test_patterns_are_those_of_models() -> None:
    letters = {"type": "string", "pattern": r"^\p{L}+$"}
    assert fits(letters, "straße")
    assert not fits(letters, "1")
    assert fits({"pattern": r"^\p{L}+$"}, 1)
    assert not fits({"type": "string", "pattern": "^(a+)+$"}, "a" * 5000 + "!")


@pytest.mark.parametrize(
    "schema",
    [
        {"pattern": "(?=x)"},
        {"pattern": "("},
        {"patternProperties": {r"\p{L}": {}}, "additionalProperties": False},
        {"patternProperties": {"^(a+)+$": {}}, "unevaluatedProperties": False},
        {"$ref": "#/nowhere"},
        {"$ref": "https://example.org/schema"},
        {"$ref": "#"},
        {"type": 5},
        {"multipleOf": 0},
    ],
)
def test_what_a_schema_can_not_tell_is_left_to_the_model(schema: dict[str, Any]) -> None:
    assert fits(schema, "a" * 40 + "!")
    assert fits(schema, {"a" * 40 + "!": 1})


def test_a_pause_is_read_back_as_it_was_written() -> None:
    pause = Pause("k", "why", SCHEMA, 5, {"expect": []}, "1-0")
    assert Pause.from_json(pause.to_json()) == pause
