"""Runs are counted and listed by flow, deployment, parent, state and name, with each change."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.events.runs import FAR, everything
from upshot.events.exceptions import EventsError
from upshot.events.store import SyncStore
from upshot.flows.runs.flowrun import new_run, parse_run
from upshot.flows.runs.transitions import create_arguments, transition_arguments
from upshot.flows.states import NAMES, State

LATER = 4_000_000_000_000
FLOWS = {"etl": "etl/nightly", "load": None, "a:b": "a:b/c d"}


def counts(store: SyncStore) -> Counter[str]:
    root = store.keys("runs") + ":"
    found = {key.decode().removeprefix(root) for key in store.execute("KEYS", root + "*:*:*")}
    return Counter({key: store.execute("ZCARD", root + key) for key in found})


def expected(kept: dict[str, tuple[str, str]]) -> Counter[str]:
    """Count the runs one by one: by flow and state."""
    model: Counter[str] = Counter()
    for flow, state in kept.values():
        for name in {state, NAMES[state].value}:
            model[f"{name}:flow:{flow}"] += 1
            if deployment := FLOWS[flow]:
                model[f"{name}:deployment:{deployment}"] += 1
    return model


def lists(store: SyncStore) -> dict[str, list[str]]:
    """Return the lists of runs by when these were made, and their names."""
    root = store.keys("made") + ":"
    keys = [key.decode() for key in store.execute("KEYS", root + "*")]
    found = {
        key.removeprefix(root): [each.decode() for each in store.execute("ZRANGE", key, 0, -1)]
        for key in keys
    }
    names = store.execute("ZRANGE", store.keys("names"), 0, -1)
    ids = [each.rpartition(b"\xff")[2].decode() for each in names]
    return found | ({"names": ids} if ids else {})


def expected_lists(store: SyncStore) -> dict[str, list[str]]:
    """Make the lists out of the runs one by one."""
    ids = [each.decode() for each in store.execute("ZRANGE", store.keys("runs"), 0, -1)]
    runs = [parse_run(raw(store, run_id)) for run_id in ids]
    made: dict[str, list[str]] = {}
    for run in runs:
        of = {"flow": run.flow, "deployment": run.deployment, "parent": run.parent}
        under = {f"{kind}:{value}" for kind, value in of.items() if value}
        for key in under | {f"state:{run.state.name}", f"state:{run.state.type.value}"}:
            made.setdefault(key, []).append(run.id)
    return {**made, "names": [run.id for run in sorted(runs, key=lambda run: run.name)]}


def raw(store: SyncStore, run_id: str) -> dict[bytes, bytes]:
    fields = store.execute("HGETALL", store.keys("run", run_id))
    return dict(zip(fields[::2], fields[1::2], strict=True)) if isinstance(fields, list) else fields


def create(store: SyncStore, flow: str, name: str, parent: str | None = None) -> str:
    run = new_run(flow, state=State(name), deployment=FLOWS[flow], pool="p", parent=parent)
    store.call("create_run", *create_arguments(run, due_ms=LATER))
    return run.id


def move(store: SyncStore, run_id: str, name: str) -> bool:
    try:
        change = transition_arguments(parse_run(raw(store, run_id)), State(name), own=False)
        store.call("transition", *change)
    except EventsError:
        return False
    return True


MOVES = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from(sorted(NAMES))), min_size=1, max_size=12
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.sampled_from(sorted(FLOWS)), min_size=1, max_size=4), MOVES)
def test_counts_follow_every_transition(
    sync_store: SyncStore, flows: list[str], moves: list[tuple[int, str]]
) -> None:
    for key in sync_store.execute("KEYS", "*"):
        sync_store.execute("UNLINK", key)
    kept = {create(sync_store, flow, "Scheduled"): (flow, "Scheduled") for flow in flows}
    ids = list(kept)
    for number, name in moves:
        run_id = ids[number % len(ids)]
        if move(sync_store, run_id, name):
            kept[run_id] = (kept[run_id][0], name)
    assert counts(sync_store) == expected(kept)
    assert lists(sync_store) == expected_lists(sync_store)


def test_a_run_that_is_forgotten_is_counted_no_more(sync_store: SyncStore) -> None:
    run_id = create(sync_store, "etl", "Running")
    assert move(sync_store, run_id, "TimedOut")
    assert counts(sync_store)["TimedOut:deployment:etl/nightly"] == 1
    assert sync_store.call("forget_runs", FAR, 10) == 1
    assert not counts(sync_store)
    assert not lists(sync_store)
    assert not sync_store.execute("EXISTS", sync_store.keys("flows"))


def forget_lists(store: SyncStore, *names: str) -> None:
    """Leave a store as an older version has it: without lists, and without fields that it lacks."""
    for run_id in store.execute("ZRANGE", store.keys("runs"), 0, -1):
        store.execute("HDEL", store.keys("run", run_id.decode()), *names)
    gone = {key for key in everything(store) if b":made:" in key or key.endswith(b":names")}
    counted = store.execute("KEYS", store.keys("runs", "*", "*"))
    store.execute("UNLINK", store.keys("meta"), *gone, *(counted if "flow" in names else ()))


@pytest.mark.parametrize("lacking", [("parent", "name"), ("parent", "name", "flow", "deployment")])
@pytest.mark.parametrize("at_once", [1, 100])
def test_runs_of_an_older_version_are_listed_and_counted_as_those_of_this_one(
    sync_store: SyncStore, lacking: tuple[str, ...], at_once: int
) -> None:
    runs = [create(sync_store, flow, "Scheduled") for flow in ("etl", "load", "a:b", "etl")]
    child = create(sync_store, "etl", "Running", parent=runs[0])
    assert move(sync_store, child, "TimedOut")
    assert move(sync_store, runs[1], "Running")
    whole = everything(sync_store)
    forget_lists(sync_store, *lacking)
    assert not lists(sync_store)
    while sync_store.call("list_older", at_once):
        assert move(sync_store, runs[1], "Running")  # others go on meanwhile
    assert {*everything(sync_store)} == {*whole}
    assert lists(sync_store) == expected_lists(sync_store)
    assert sum(counts(sync_store).values()) == 2 * 5 - 1 + 2


def test_a_store_of_an_older_version_is_brought_to_the_form_of_now_when_it_is_opened(
    sync_store: SyncStore,
) -> None:
    create(sync_store, "etl", "Running")
    forget_lists(sync_store, "parent", "name")
    SyncStore(sync_store.url).load_functions()
    assert lists(sync_store) == expected_lists(sync_store)


def test_a_refused_transition_counts_nothing_anew(sync_store: SyncStore) -> None:
    run_id = create(sync_store, "etl", "Running")
    assert move(sync_store, run_id, "Completed")
    before = everything(sync_store)
    assert not move(sync_store, run_id, "Running")
    assert everything(sync_store) == before
