"""CEL is checked when it is written, and can neither crash nor stall an evaluation."""

from __future__ import annotations

from typing import Any

import pytest

from upshot.automations.exceptions import ExpressionFailed, InvalidExpression
from upshot.automations.expressions.expression import (
    MAX_LENGTH,
    ActionExpression,
    Expression,
    Scope,
)

EVENT: dict[str, Any] = {
    "event": "flow-run.failed",
    "resource": {"id": "flow-run.1", "name": "nightly-a"},
    "payload": {"attempt": 2, "rows": [1, 2, 3], "none": None},
}


def holds(source: str, event: dict[str, Any] = EVENT) -> bool:
    return Expression(source).holds(Scope({"event": event}))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("event.payload.attempt < 3", True),
        ("event.payload.attempt > 2.5", False),
        ("has(event.payload.missing)", False),
        ("!has(event.payload.missing) || event.payload.missing > 3", True),
        ("event.payload.rows.exists(row, row > 2)", True),
        ("event.payload.rows.all(a, event.payload.rows.exists(b, b >= a))", True),
        ("event.resource.name.startsWith('nightly-')", True),
        ("event.payload.none == null", True),
        ("'exists(((' == 'x' // )))", False),
        ("true // a comment", True),
    ],
)
def test_conditions_are_evaluated(source: str, expected: bool) -> None:
    assert holds(source) is expected


@pytest.mark.parametrize(
    "source",
    [
        "event.payload.missing < 3",
        "event.payload.attempt < 'x'",
        "1 / 0 == 1",
        "event.payload.attempt",
        "event.payload.rows[9] == 1",
        "9223372036854775807 + 1 > 0",
        "timestamp('no') < timestamp('x')",
        "'a'.matches('(')",
    ],
)
def test_what_can_not_be_evaluated_fails_by_name(source: str) -> None:
    with pytest.raises(ExpressionFailed):
        holds(source)


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("event.payload.attempt <", "Syntax error"),
        ("", "Syntax error"),
        ("evnt.payload == 1", "did you mean 'event'"),
        ("event.name.startWith('a')", "did you mean 'startsWith'"),
        ("1 == 1 || " * 300 + "true", f"longer than {MAX_LENGTH}"),
        ("(" * 65 + "true" + ")" * 65, "nested deeper"),
        ("[" * 200 + "]" * 200 + " == []", "nested deeper"),
        ("[1].all(a, [1].all(b, [1].all(c, true)))", "comprehensions nested deeper"),
        ("[1].map(a, [a, a]).map(a, [a, a]).map(a, [a, a]) == []", "more than"),
        ("true) || (true", "yntax error"),
        ("'a'.matches('(((a{1000}){1000}){1000}')", "too long to compile"),
        ("'a'.matches('a\\x7b1000\\x7d')", "as they are"),
        ("'a'.matches('\\\\d\\173900\\175')", "as they are"),
        ("'a'.matches(event.payload.pattern)", "written in place"),
        ("matches('a', 'a' + 'b')", "written in place"),
    ],
)
def test_bad_expressions_are_refused_when_written(source: str, complaint: str) -> None:
    with pytest.raises(InvalidExpression, match=complaint):
        Expression(source)


@pytest.mark.parametrize(
    "hiding",
    [
        r"r'\' != event.id && {} && 'x' == 'x'",
        r'bR"\" != b"" && {} && "x" == "x"',
        r"'''a\'''' != event.id && {} && 'x' == 'x'",
        r"r'''\''' != event.id && {} && '''x''' == 'x'",
    ],
)
def test_no_text_hides_what_an_expression_costs(hiding: str) -> None:
    costly = "event.rows.all(a, event.rows.all(b, a + b >= 0))"
    with pytest.raises(ExpressionFailed, match="too long"):
        holds(hiding.format(costly), {"id": "1", "rows": list(range(5000))})


def test_a_list_that_is_too_long_for_a_comprehension_fails_instead_of_stalling() -> None:
    event = {"payload": {"rows": list(range(5000))}}
    with pytest.raises(ExpressionFailed, match="5,000 items"):
        holds("event.payload.rows.map(a, event.payload.rows.map(b, a)) == []", event)
    assert holds("size(event.payload.rows) == 5000", event)
    assert holds("event.payload.rows.exists(row, row == 4999)", event)


def test_ordinary_comprehensions_are_evaluated_on_events_of_some_size() -> None:
    rows = [{"id": f"r{n}", "state": "ok", "n": n, "tags": ["a", "b"]} for n in range(500)]
    event = {"payload": {"rows": rows, "wanted": "r499", "limit": 498}, "resource": {"id": "x"}}
    source = (
        "event.payload.rows.exists(r, r.id == event.payload.wanted && r.n > event.payload.limit)"
    )
    assert holds(source, event)
    assert holds(
        "event.payload.rows.all(r, r.tags.exists(t, t == 'a'))",
        {**event, "payload": {"rows": rows[:50]}},
    )
    assert holds("event.payload.rows.map(r, r.id) == ['r0', 'r1']", {"payload": {"rows": rows[:2]}})


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("event.payload.rows.exists(r, r == event.payload.attempt)", True),
        (
            "event.payload.rows.all(r, [1, 2].exists(s, s + r > event.payload.attempt))",
            True,
        ),
        (
            "event.payload.rows.exists(r, has(event.payload.no) && r == event.payload.no)",
            False,
        ),
        ("event.payload.rows.exists(event, event == 2)", True),
        ("event.payload.rows.exists(r, event.resource.name.startsWith('nightly') && r == 3)", True),
    ],
)
def test_what_a_comprehension_reads_each_time_is_what_it_would_be_anyway(
    source: str, expected: bool
) -> None:
    assert holds(source) is expected


def test_a_key_that_a_comprehension_misses_is_told_by_its_path() -> None:
    with pytest.raises(ExpressionFailed, match=r"no key 'event\.payload\.missing'"):
        holds("event.payload.rows.all(r, r < event.payload.missing)")


def test_a_payload_that_cel_can_not_hold_fails_by_name() -> None:
    with pytest.raises(ExpressionFailed):
        holds("event.payload.x == 'a'", {"payload": {"x": "\ud800"}})


def test_an_action_sees_more_than_a_where_does() -> None:
    source = "firing.reason == 'absent' && variables.env == 'prod'"
    scope = Scope({"firing": {"reason": "absent"}, "variables": {"env": "prod"}})
    assert ActionExpression(source).holds(scope)
    with pytest.raises(InvalidExpression, match="unknown name 'firing'"):
        Expression(source)
