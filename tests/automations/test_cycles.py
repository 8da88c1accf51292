"""Circles of automations are seen in their definitions: certain ones and possible ones."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upshot.automations.definition import Automation
from upshot.automations.review.causes import link_of
from upshot.automations.review.cycles import Cycle, Cycles


def rule(name: str, trigger: Any, *actions: Any, **more: Any) -> dict[str, Any]:
    trigger = {"expect": [trigger]} if isinstance(trigger, str) else trigger
    done = [each if isinstance(each, dict) else emit(each) for each in actions]
    given = {"name": name, "trigger": trigger, "actions": done or [{"notify": {"to": "x"}}], **more}
    return Automation.model_validate(given).model_dump(mode="json", by_alias=True)


def emit(event: str, **more: Any) -> dict[str, Any]:
    return {"emit-event": {"event": event, **more}}


def graph(*rules: dict[str, Any]) -> Cycles:
    cycles = Cycles()
    for each in rules:
        cycles.put(each["name"], link_of(each))
    return cycles


def found(*rules: dict[str, Any]) -> tuple[str | None, str | None]:
    """Return the certain and the possible circle through the first automation."""
    cycles = graph(*rules)
    certain, possible = cycles.certain(rules[0]["name"]), cycles.possible(rules[0]["name"])
    return _path(certain), _path(possible)


def _path(cycle: Cycle | None) -> str | None:
    return None if cycle is None else cycle.path


ON_T = {"expect": ["x"], "match": {"id": "t"}}
ANY = {"type": "compound", "require": "any", "triggers": [{"expect": ["x"]}, {"expect": ["y"]}]}
RUN = {"run-deployment": {"deployment": "etl/nightly"}}
OF_LOAD = {"role": "deployment", "name": "load/x"}
OF_ETL = {"role": "deployment", "name": "etl/nightly"}
CERTAIN: list[tuple[str, list[dict[str, Any]]]] = [
    ("a → a", [rule("a", "x", "x")]),
    ("a → b → a", [rule("a", "x", "y"), rule("b", "y", "x")]),
    ("a → b → c → a", [rule("a", "x", "y"), rule("b", "y", "z"), rule("c", "z", "x")]),
    ("a → a", [rule("a", "order.*", "order.placed")]),
    ("a → a", [rule("a", "*", "x")]),
    (
        "a → a",
        [rule("a", ON_T, emit("x", resource={"id": "t"}))],
    ),
    (
        "a → a",
        [rule("a", {"expect": ["x"], "match": {"name": "a"}}, "x")],  # its own name, by default
    ),
    (
        "a → a",
        [
            rule(
                "a",
                {"expect": ["x"], "match_related": {"role": "r", "id": "t*"}},
                emit("x", related=[{"id": "u", "role": "r"}, {"id": "t1", "role": "r"}]),
            )
        ],
    ),
    ("a → a", [rule("a", "variable.updated", {"set-variable": {"name": "v", "value": 1}})]),
    (
        "a → b → a",
        [
            rule("a", "automation.paused", {"resume-automation": {"automation": "c"}}),
            rule("b", "automation.resumed", {"pause-automation": {"automation": "c"}}),
        ],
    ),
    ("a → a", [rule("a", "deployment.paused", {"pause-deployment": {"deployment": "f/d"}})]),
    ("a → a", [rule("a", "work-pool.resumed", {"resume-work-pool": {"work_pool": "p"}})]),
    ("a → a", [rule("a", {"expect": ["flow-run.completed"], "match_related": OF_ETL}, RUN)]),
    ("a → a", [rule("a", "flow-run.scheduled", RUN)]),
    ("a → a", [rule("a", "automation.fired")]),
    ("a → a", [rule("a", {"expect": ["action.triggered"], "match": {"type": "notify"}})]),
    ("a → b → a", [rule("a", "x"), rule("b", "automation.fired", "x")]),
    (
        "a → a",
        [
            rule(
                "a",
                {
                    "type": "compound",
                    "require": "any",
                    "triggers": [{"expect": ["x"]}, {"expect": ["y"]}],
                },
                "x",
            )
        ],
    ),
    ("a → a", [rule("a", "x", "x", shadow=True)]),
    ("a → a", [rule("a", "x", "x", control={"throttle": {"limit": 1, "per": "1m"}})]),
]


@pytest.mark.parametrize(("path", "rules"), CERTAIN)
def test_a_circle_that_certainly_goes_round_is_seen(path: str, rules: list[dict[str, Any]]) -> None:
    assert found(*rules)[0] == path


POSSIBLE: list[tuple[str, list[dict[str, Any]]]] = [
    (
        "a → b → a",
        [rule(name, "flow-run.failed", {"retry-flow-run": {}}) for name in ("a", "b")],
    ),
    ("a → a", [rule("a", "flow-run.crashed", RUN)]),
    ("a → a", [rule("a", {"expect": ["flow-run.failed"], "match_related": OF_ETL}, RUN)]),
    (
        "a → a",
        [
            rule(
                "a",
                {"expect": ["x"], "match": {"id": "t"}},
                emit("x", resource={"id": "{{ event.id }}"}),
            )
        ],
    ),
    ("a → a", [rule("a", {"expect": ["x"], "where": "event.payload.n < 3"}, "x")]),
    ("a → a", [rule("a", {"expect": ["x"], "threshold": 2, "within": "1h"}, "x")]),
    ("a → a", [rule("a", "x", {"emit-event": {"event": "x", "if": "event.id == ''"}})]),
    ("a → a", [rule("a", "x", "x", conditions=["runs('*') < 3"])]),
    ("a → a", [rule("a", "x", "x", budget={"max": 3, "within": "1d"})]),
]


@pytest.mark.parametrize(("path", "rules"), POSSIBLE)
def test_a_circle_that_may_go_round_is_told_apart(path: str, rules: list[dict[str, Any]]) -> None:
    assert found(*rules) == (None, path)


NONE: list[list[dict[str, Any]]] = [
    [rule("a", "x", "y")],
    [rule("a", "*")],
    [
        rule("a", "*", {"notify": {"to": "x"}}),
        rule("b", "*", {"call-webhook": {"url": "http://x"}}),
    ],
    [rule("a", "x", "{{ event.event }}")],
    [rule("a", ON_T, emit("x", resource={"id": "u"}))],
    [
        rule(
            "a",
            {"expect": ["x"], "match": {"id": "t"}},
            emit("x", resource={"id": "u", "n": "{{ 1 }}"}),
        )
    ],
    [rule("a", {"expect": ["x"], "match": {"k": "t"}}, emit("x", resource={"id": "u"}))],
    [
        rule(
            "a",
            {
                "expect": ["flow-run.completed"],
                "match_related": {"role": "deployment", "name": "load/x"},
            },
            RUN,
        )
    ],
    [rule("a", {"expect": ["x"], "posture": "Proactive", "within": "1h"}, "x")],
    [rule("a", "x", "y"), rule("b", "y", "x", enabled=False)],
    [rule("a", "flow-run.failed", {"retry-flow-run": {}})],
    [
        rule(
            "a",
            {"expect": ["flow-run.failed"], "where": "event.payload.attempt < 3"},
            {"retry-flow-run": {}},
        )
    ],
    [rule("a", "x", "y"), rule("b", "x", "x")],  # b's own circle does not go through a
]


@pytest.mark.parametrize("rules", NONE)
def test_what_goes_round_in_no_circle_is_left_alone(rules: list[dict[str, Any]]) -> None:
    assert found(*rules) == (None, None)


def test_a_circle_tells_what_sets_off_what() -> None:
    cycle = graph(rule("a", "x", "y"), rule("b", "y", {"notify": {"to": "m"}}, "x")).certain("a")
    assert cycle is not None
    assert str(cycle) == (
        "a → b → a: emit-event 'y' of 'a' sets off 'b', emit-event 'x' of 'b' sets off 'a'"
    )
    assert [made.action for made in cycle.steps] == [0, 1]


def test_a_circle_is_intended_where_each_automation_on_it_is_named() -> None:
    allowed = {"control": {"allow_cycles": ["a", "b"]}}
    pair = [rule("a", "x", "y"), rule("b", "y", "x")]
    assert found(rule("a", "x", "y", **allowed), pair[1]) == (None, None)
    assert found(pair[0], rule("b", "y", "x", **allowed)) == (None, None)
    some = {"control": {"allow_cycles": ["a"]}}
    assert found(rule("a", "x", "y", **some), pair[1])[0] == "a → b → a"
    other = rule("c", "y", "x")
    assert found(rule("a", "x", "y", **allowed), pair[1], other)[0] == "a → c → a"


def test_an_automation_that_changes_or_goes_takes_its_edges_with_it() -> None:
    cycles = graph(rule("a", "x", "y"), rule("b", "y", "x"))
    assert cycles.certain("a")
    cycles.put("b", link_of(rule("b", "y", "z")))
    assert cycles.certain("a") is None
    cycles.put("b", link_of(rule("b", "y", "x")))
    assert cycles.certain("a")
    cycles.put("b", None)
    assert (cycles.certain("a"), cycles.certain("b"), len(cycles)) == (None, None, 1)


NODES = "abcdef"
EDGES = st.sets(st.tuples(st.sampled_from(NODES), st.sampled_from(NODES)), max_size=14)


def goes_round(start: str, edges: set[tuple[str, str]]) -> bool:
    reached = {target for source, target in edges if source == start}
    for _ in NODES:
        reached |= {target for source, target in edges if source in reached}
    return start in reached


@given(EDGES)
def test_a_circle_is_found_if_and_only_if_there_is_one(edges: set[tuple[str, str]]) -> None:
    rules = [
        rule(name, f"to.{name}", *(f"to.{target}" for source, target in edges if source == name))
        for name in NODES
    ]
    cycles = graph(*rules)
    for name in NODES:
        cycle = cycles.certain(name)
        assert (cycle is not None) == goes_round(name, edges)
        if cycle is not None:
            following = (*cycle.names[1:], name)
            assert cycle.names[0] == name
            assert set(zip(cycle.names, following, strict=True)) <= edges
            assert len(set(cycle.names)) == len(cycle.names)


def test_a_crowd_that_waits_for_the_same_costs_a_bounded_number_of_looks() -> None:
    crowd = [rule(f"c{n}", "x", "y") for n in range(300)] + [
        rule(f"d{n}", "y", "x") for n in range(300)
    ]
    cycles = graph(*crowd)
    assert cycles.certain("c7") is not None
