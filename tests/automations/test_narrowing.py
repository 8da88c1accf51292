"""An expression that sees only what it reads comes to the same as one that sees the whole event."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from upshot.automations.exceptions import ExpressionFailed
from upshot.automations.expressions.expression import Expression, Scope
from upshot.automations.expressions.narrowing import NarrowScope

PATHS = ["event", "event.a", "event.a.b", "event.a.b.c", "event.b", "event['a'].b", "event . a . b"]
TESTS = [
    "{0} == {1}",
    "has({0}.c) && {0}.c == {1}",
    "size({0}) > 1 || {1} == 1",
    "type({0}) == type({1})",
    "{0}.exists(k, k == 'c' && {1} == 1)",
    "[1].exists(event, event == 1) && {0} != {1}",
    "{0}.b > 1 || {1} < 2",
    "'b' in {0} && !({1} in [1, 2])",
    "{0} == {1} ? {1} == 1 : {0} != 1",
]
LEAVES = st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["", "b", "c"])
FIELDS = st.sampled_from(["a", "b", "c"])
EVENTS = st.dictionaries(
    FIELDS,
    st.recursive(
        LEAVES,
        lambda inner: st.dictionaries(FIELDS, inner, max_size=3) | st.lists(inner, max_size=2),
        max_leaves=6,
    ),
    max_size=3,
)


def came_to(expression: Expression, scope: Scope) -> str:
    try:
        return str(expression.holds(scope))
    except ExpressionFailed as error:
        return str(error)


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(TESTS), st.sampled_from(PATHS), st.sampled_from(PATHS), EVENTS)
def test_what_is_left_out_makes_no_difference(
    test: str, one: str, other: str, event: dict[str, Any]
) -> None:
    expression = Expression(test.format(one, other))
    variables = {"event": event}
    assert came_to(expression, NarrowScope(variables)) == came_to(expression, Scope(variables))


@pytest.mark.parametrize(
    ("source", "kept"),
    [
        ("event.a.b > 1", {"event": {"a": {"b": 2}}}),
        ("has(event.a.d) || event.a.b > 1", {"event": {"a": {"b": 2}}}),
        ("size(event.a) > event.c", {"event": {"a": {"b": 2, "c": 3}, "c": 4}}),
        ("event.c.d == 1", {"event": {"c": 4}}),
        ("event['a'].b == 1", {"event": {"a": {"b": 2, "c": 3}, "c": 4}}),
        ("true", {}),
    ],
)
def test_an_expression_gets_what_it_reads(source: str, kept: dict[str, Any]) -> None:
    scope = NarrowScope({"event": {"a": {"b": 2, "c": 3}, "c": 4}})
    assert scope.of(Expression(source).paths).variables == kept


def test_expressions_that_read_the_same_share_their_scope() -> None:
    scope = NarrowScope({"event": {"a": 1}})
    paths = frozenset({("event", "a")})
    assert scope.of(paths) is scope.of(frozenset(paths))
