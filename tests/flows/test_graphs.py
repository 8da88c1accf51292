"""Graphs of every shape end as a simple reference model says: maps, failures, retries, rules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from upshot import allow_failure, flow, runtime, task, unmapped
from upshot.flows.taskruns.triggering import RULES

from .conftest import Seen


@dataclass(frozen=True)
class Node:
    """One task of a graph.

    Attributes:
        failures: for each part of its map, how often it fails before it succeeds.
        needs: earlier nodes whose results it takes, each with whether it may have failed.
        after: earlier nodes that it only waits for. how: it is called.
    """

    failures: tuple[int, ...]
    retries: int
    rule: str
    needs: tuple[tuple[int, bool], ...]
    after: tuple[int, ...]
    how: str


@st.composite
def graphs(draw: st.DrawFn) -> list[Node]:
    nodes: list[Node] = []
    for number in range(draw(st.integers(1, 7))):
        earlier, most = st.integers(0, max(0, number - 1)), 2 if number else 0
        how = draw(st.sampled_from(["call", "submit", "map"]))
        width = draw(st.integers(0, 3)) if how == "map" else 1
        node = Node(
            failures=tuple(draw(st.integers(0, 3)) for _ in range(width)),
            retries=draw(st.integers(0, 2)),
            rule=draw(st.sampled_from(RULES)),
            needs=tuple(draw(st.lists(st.tuples(earlier, st.booleans()), max_size=most))),
            after=tuple(draw(st.lists(earlier, max_size=most))),
            how=how,
        )
        nodes.append(node)
    return nodes


ALLOWED = "allowed"


def allows(rule: str, upstream: list[str]) -> str:
    """Return whether a task runs (``run``), or how it ends without (``skipped``, ``failed``)."""
    good = [outcome for outcome in upstream if outcome in {"ok", ALLOWED}]
    failed = [outcome for outcome in upstream if outcome == "failed"]
    runs = {
        "all_success": len(good) == len(upstream),
        "all_done": True,
        "always": True,
        "one_success": bool(good),
        "one_failed": bool(failed),
        "none_failed": not failed,
    }[rule]
    if runs or not upstream:
        return "run"
    return "failed" if failed and rule != "one_failed" else "skipped"


def expected(graph: list[Node]) -> dict[str, tuple[str, int]]:
    """Return the state and the attempts of each task run, by the plainest of models."""
    outcomes: list[list[str]] = []
    ended: dict[str, tuple[str, int]] = {}
    for number, node in enumerate(graph):
        upstream = [
            ALLOWED if allowed else outcome
            for needed, allowed in node.needs
            for outcome in outcomes[needed]
        ]
        if node.rule != "always":
            upstream += [outcome for earlier in node.after for outcome in outcomes[earlier]]
        verdict = allows(node.rule, upstream)
        mine = []
        for part, failures in enumerate(node.failures):
            worked = verdict == "run" and failures <= node.retries
            attempts = min(failures, node.retries) + 1 if verdict == "run" else 0
            name = "Cancelled" if verdict != "run" else "Completed" if worked else "Failed"
            ended[f"{number}.{part}"] = (name, attempts)
            mine.append("ok" if worked else "failed" if verdict == "run" else verdict)
        outcomes.append(mine)
    return ended


def program(graph: list[Node], received: Callable[[str, Any], None]) -> Any:
    """Return a flow that calls the tasks of a graph and returns its run's id."""
    tries: Counter[str] = Counter()

    @task(task_run_name="{label}")
    def work(label: str, failures: int, given: list[Any]) -> str:
        received(label, given)
        tries[label] += 1
        if tries[label] <= failures:
            raise ValueError(label)
        return label

    @flow
    def whole() -> str | None:
        made: list[Any] = []
        for number, node in enumerate(graph):
            mine = work.with_options(retries=node.retries, trigger_rule=node.rule)
            taken = [
                allow_failure(made[needed]) if allowed else made[needed]
                for needed, allowed in node.needs
            ]
            made.append(called(mine, number, node, taken, [made[each] for each in node.after]))
        return runtime.flow_run.id

    return whole


def called(work: Any, number: int, node: Node, taken: list[Any], after: list[Any]) -> Any:
    labels = [f"{number}.{part}" for part in range(len(node.failures))]
    if node.how == "map":
        return work.map(labels, list(node.failures), unmapped(taken), wait_for=after)
    call = work if node.how == "call" else work.submit
    how = {"return_state": True} if node.how == "call" else {}
    return call(labels[0], node.failures[0], taken, wait_for=after, **how)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(graph=graphs())
def test_a_graph_ends_as_the_model_says(seen: Seen, graph: list[Node]) -> None:
    got: dict[str, Any] = {}
    run_id = program(graph, got.__setitem__)()
    model = expected(graph)
    records = seen.tasks(run_id)
    ended = {name: (one["state"]["name"], one["attempt"]) for name, one in records.items()}
    assert ended == model
    for label, given_values in got.items():
        needs = graph[int(label.partition(".")[0])].needs
        for (needed, _), value in zip(needs, given_values, strict=True):
            each = value if graph[needed].how == "map" else [value]
            for part, item in enumerate(each):
                worked = model[f"{needed}.{part}"][0] == "Completed"
                assert (item == f"{needed}.{part}") if worked else isinstance(item, Exception)


@task
def work(x: Any = None) -> Any:
    if isinstance(x, str):
        raise ValueError(x)
    return x


def test_a_skipped_task_is_no_failure_for_what_follows(seen: Seen) -> None:
    """Cleaning up after a failure that did not come is left out, and is no failure itself."""
    repair = work.with_options(name="repair", trigger_rule="one_failed")
    report = work.with_options(name="report", trigger_rule="none_failed")
    plain = work.with_options(name="plain")

    @flow
    def f() -> None:
        good = work.submit(1)
        repaired = repair.submit(wait_for=[good])
        report.submit(2, wait_for=[good, repaired])
        plain.submit(3, wait_for=[repaired])

    f()
    states = {name: record["state"] for name, record in seen.tasks().items()}
    assert states["report-0"]["name"] == "Completed"
    assert states["repair-0"]["message"] == (
        "not run: its trigger rule one_failed is not met: work-0 is Completed"
    )
    assert states["plain-0"]["name"] == states["repair-0"]["name"] == "Cancelled"


def test_maps_in_maps_are_as_wide_as_what_is_found(seen: Seen) -> None:
    @task
    def tables(database: int) -> list[int]:
        return list(range(database))

    @task
    def rows(table: int) -> int:
        return table * 10

    @task
    def load(database: int) -> int:
        return sum(rows.map(tables(database)).result())

    @flow
    def f() -> list[int]:
        return load.map([1, 2, 3]).result()

    assert f() == [0, 10, 30]
    assert len(seen.tasks()) == 3 + 3 + 6


@pytest.mark.parametrize("rule", ["all_done", "one_failed", "always"])
def test_a_rule_that_lets_failures_pass_gives_the_exception(seen: Seen, rule: str) -> None:
    @task(trigger_rule=rule)
    def show(outcome: Any) -> str:
        return repr(outcome)

    @flow
    def f() -> str:
        return show.submit(work.submit("oh")).result()

    assert f() == "ValueError('oh')"


def test_a_rule_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="trigger_rule: must be one of all_success"):
        task(trigger_rule="some")
