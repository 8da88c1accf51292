"""How many runs of a flow or deployment are in a state is known without looking at any of them."""

from __future__ import annotations

from collections import Counter

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


def create(store: SyncStore, flow: str, name: str) -> str:
    run = new_run(flow, state=State(name), deployment=FLOWS[flow], pool="p")
    store.call("create_run", *create_arguments(run, due_ms=LATER))
    return run.id


def move(store: SyncStore, run_id: str, name: str) -> bool:
    fields = store.execute("HGETALL", store.keys("run", run_id))
    raw = dict(zip(fields[::2], fields[1::2], strict=True)) if isinstance(fields, list) else fields
    try:
        change = transition_arguments(parse_run(raw), State(name), own=False)
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


def test_a_run_that_is_forgotten_is_counted_no_more(sync_store: SyncStore) -> None:
    run_id = create(sync_store, "etl", "Running")
    assert move(sync_store, run_id, "TimedOut")
    assert counts(sync_store)["TimedOut:deployment:etl/nightly"] == 1
    assert sync_store.call("forget_runs", FAR, 10) == 1
    assert not counts(sync_store)


def test_a_run_of_an_older_version_is_counted_from_its_next_state_on(
    sync_store: SyncStore,
) -> None:
    run_id = create(sync_store, "etl", "Running")
    sync_store.execute("HDEL", sync_store.keys("run", run_id), "flow", "deployment")
    for key in list(counts(sync_store)):
        sync_store.execute("UNLINK", sync_store.keys("runs", key))
    assert move(sync_store, run_id, "Completed")
    assert counts(sync_store) == expected({run_id: ("etl", "Completed")})


def test_a_refused_transition_counts_nothing_anew(sync_store: SyncStore) -> None:
    run_id = create(sync_store, "etl", "Running")
    assert move(sync_store, run_id, "Completed")
    before = everything(sync_store)
    assert not move(sync_store, run_id, "Running")
    assert everything(sync_store) == before
