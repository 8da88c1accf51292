"""Conditions are judged in rounds: what they ask is answered by others, and then they are final."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upshot.automations.conditions.condition import (
    MOST_QUESTIONS,
    ConditionExpression,
    Judged,
    Question,
    judge,
)
from upshot.automations.conditions.lookups import LARGEST_ANSWER, Missing, Unanswerable, of_variable
from upshot.automations.exceptions import InvalidExpression
from upshot.automations.expressions.expression import Scope

EVENT = {"id": "e", "event": "x", "payload": {"n": 3, "rows": ["a", "b"]}}
VALUES: dict[str, Any] = {
    "event": EVENT,
    "events": [EVENT],
    "firing": {"at": 5_000, "bucket": "b"},
    "automation": {"name": "mine"},
}
RUNNING = Question("runs", ("deployment:etl/nightly", ("Running",), None))
ASKS = "runs('deployment:etl/nightly', state='Running') == 0"


def judged(*sources: str, answers: dict[Question, Any] | None = None) -> Judged:
    expressions = [ConditionExpression(source) for source in sources]
    return judge(expressions, Scope(VALUES), answers or {})


def variable(name: str) -> Question:
    return Question("variable", (name,))


def outcomes(result: Judged) -> list[bool | None]:
    return [each["holds"] for each in result.values]


def test_conditions_without_look_ups_are_final_at_once() -> None:
    result = judged("event.payload.n == 3", "events.size() == 1", "firing.bucket == 'b'")
    assert (result.holds, result.missing, result.error) == (True, (), "")


def test_a_look_up_is_asked_then_its_answer_decides() -> None:
    assert judged(ASKS).missing == (RUNNING,)
    assert judged(ASKS).holds is None
    assert judged(ASKS, answers={RUNNING: 0}).holds is True
    assert judged(ASKS, answers={RUNNING: 1}).holds is False


def test_all_questions_of_a_round_are_asked_together() -> None:
    result = judged(ASKS, "variable('a') == 1 && variable('b') == 2", "variable('a') == 1")
    assert set(result.missing) == {RUNNING, variable("a")}
    answers = {RUNNING: 0, variable("a"): 1}
    assert judged(ASKS, "variable('a') == 1 && variable('b') == 2", answers=answers).missing == (
        variable("b"),
    )


def test_nothing_is_asked_once_a_condition_is_false_without_it() -> None:
    result = judged(ASKS, "event.payload.n == 4")
    assert (result.holds, result.missing) == (False, ())
    assert outcomes(result) == [None, False]


def test_a_guess_never_decides() -> None:
    result = judged("variable('a') == 1", "variable('a') == 2", "variable('a') == null")
    assert result.holds is None
    assert outcomes(result) == [None, None, None]


def test_a_look_up_may_depend_on_another_one() -> None:
    source = "variable(variable('name')) == 2"
    assert judged(source).missing == (variable("name"),)
    first = {variable("name"): "of"}
    assert judged(source, answers=first).missing == (variable("of"),)
    assert judged(source, answers={**first, variable("of"): 2}).holds is True


def test_the_values_of_a_condition_tell_what_was_looked_up() -> None:
    (value,) = judged(ASKS, answers={RUNNING: 2}).values
    told = "runs('deployment:etl/nightly', state='Running')"
    assert value == {"expression": ASKS, "holds": False, "lookups": [{"lookup": told, "value": 2}]}
    (value,) = judged("runs('*', state=['Late', 'Failed'], since='90m') == 0").values
    (asked,) = judged("runs('*', state=['Late', 'Failed'], since='90m') == 0").missing
    assert str(asked) == "runs('*', state=['Failed', 'Late'], since='1h30m')"


def test_an_answer_that_there_is_none_is_an_error_of_that_condition() -> None:
    answers = {variable("a"): Missing("no variable is called 'a'")}
    result = judged("variable('a') == 1", answers=answers)
    assert result.holds is None
    assert result.error == "variable('a') == 1: no variable is called 'a'"
    assert result.values[0]["lookups"][0]["error"] == "no variable is called 'a'"
    assert judged("event.payload.n == 3 || variable('a') == 1", answers=answers).holds is True


@pytest.mark.parametrize("source", ["variable('a', 7) == 7", "variable('a', default=7) == 7"])
def test_a_default_stands_for_what_is_not_there(source: str) -> None:
    assert judged(source, answers={variable("a"): Missing("no")}).holds is True
    assert judged(source, answers={variable("a"): 8}).holds is False
    assert judged(source, answers={variable("a"): Unanswerable("too large")}).holds is None


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        (
            "runs('deploment:x') == 0",
            "the selector is 'deployment:NAME'.*did you mean 'deployment'",
        ),
        ("runs('etl/nightly') == 0", "the selector is"),
        ("runs('deployment:') == 0", "the selector is"),
        ("runs(3) == 0", "'selector' is text"),
        ("runs('flow:' + 'etl', state='Runing') == 0", "no state is called 'Runing'.*'Running'"),
        ("runs('*', state=['Running', 3]) == 0", "no state is called 3"),
        ("runs('*', since='soon') == 0", "since: not a duration"),
        ("variable('') == 0", "'name' is text"),
        ("automation(variable('x') + 1, 2) == 0", "takes name and nothing more"),
        ("true && runs('*', state='Running') = 0", "at 1:36: Syntax error"),
        ("variables.x == 1", "unknown name 'variables'"),
        ("run('*') == 0", "unknown function 'run'.*did you mean 'runs'"),
    ],
)
def test_a_look_up_that_can_not_be_is_refused_when_written(source: str, complaint: str) -> None:
    with pytest.raises(InvalidExpression, match=complaint):
        ConditionExpression(source)


@pytest.mark.parametrize(
    "source",
    [
        "runs(event.id) == 0",
        "runs('*', state=event.id) == 0",
        "variable(event.payload.n) == 0",
        "automation(event.missing) == 0 || automation(firing.at) == 0",
    ],
)
def test_a_wrong_argument_that_the_event_has_is_an_error_and_asks_nothing(source: str) -> None:
    result = judged(source)
    assert (result.holds, result.missing) == (None, ())
    assert result.error


def test_no_conditions_ask_for_more_than_a_few_things() -> None:
    many = f"{[str(n) for n in range(100)]}.all(name, variable(name) == 1)"
    answers: dict[Question, Any] = {}
    for _ in range(MOST_QUESTIONS + 1):
        result = judged(many, answers=answers)
        answers |= dict.fromkeys(result.missing, 1)
        if not result.missing:
            break
    assert len(answers) == MOST_QUESTIONS
    assert "at most" in result.error


def test_a_variable_may_be_too_large_for_a_condition() -> None:
    assert of_variable("x", {"x": "a" * LARGEST_ANSWER}).why.startswith("the variable 'x' has more")
    assert of_variable("x", {"x": [1]}) == [1]
    assert "did you mean 'limit'" in of_variable("limt", {"limit": 1}).why


def test_an_answer_counts_into_what_an_expression_may_cost() -> None:
    source = "variable('x').all(a, variable('x').all(b, a + b >= 0))"
    result = judged(source, answers={variable("x"): list(range(5000))})
    assert "too long" in result.error
    assert judged(source, answers={variable("x"): [1, 2]}).holds is True


def test_a_variable_that_is_a_question_is_asked_where_it_is_read() -> None:
    events = Question("events", ("1-0", "2-0"))
    scope = Scope({**VALUES, "events": events, "event": Question("event", ("2-0",))})
    read = [ConditionExpression("events.size() == 2"), ConditionExpression("events == null")]
    assert judge([ConditionExpression("firing.at == 5000")], scope, {}).holds is True
    result = judge(read, scope, {})
    assert (result.holds, result.missing, outcomes(result)) == (None, (events,), [None, None])
    assert judge(read[:1], scope, {events: [EVENT, EVENT]}).holds is True
    assert judge(read[:1], scope, {events: [EVENT]}).holds is False


NAMES = ["a", "b", "c"]
LOOKED_UP = st.sampled_from([f"variable('{name}')" for name in NAMES])
TRUTHS = st.recursive(
    st.builds(lambda left, right: f"({left} == {right})", LOOKED_UP, st.integers(0, 2).map(str)),
    lambda inner: st.one_of(
        st.builds(lambda a, b: f"({a} && {b})", inner, inner),
        st.builds(lambda a, b: f"({a} || {b})", inner, inner),
        st.builds(lambda a, b, c: f"({a} ? {b} : {c})", inner, inner, inner),
        inner.map(lambda a: f"!{a}"),
    ),
    max_leaves=6,
)


@given(
    st.lists(TRUTHS, min_size=1, max_size=3),
    st.fixed_dictionaries({name: st.integers(0, 2) for name in NAMES}),
)
def test_rounds_end_with_what_all_answers_at_once_would_give(
    sources: list[str], known: dict[str, int]
) -> None:
    everything = {variable(name): value for name, value in known.items()}
    answers: dict[Question, Any] = {}
    while (result := judged(*sources, answers=answers)).missing:
        assert result.holds is None
        assert not answers.keys() & set(result.missing)
        answers |= {each: everything[each] for each in result.missing}
    assert result.holds is judged(*sources, answers=everything).holds
    assert result.holds is not None
