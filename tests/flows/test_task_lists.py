"""Task runs of a run: the sums kept of them, and lists of parts, tell what a look at all tells."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic_core import to_json

from upshot.events.store import Store
from upshot.flows.runs.flowrun import FlowRun, new_run
from upshot.flows.runs.registry import Runs
from upshot.flows.runs.tasks import TaskFilter, portions, summed
from upshot.flows.states import State

START = datetime(2026, 11, 20, 7, tzinfo=UTC)
HOSTILE = ['"task":"no"', 'a"b', "\\", "]", "état", '"state":{"type":"Failed","name":"Failed"}']
NAMES = ["load", "a task", *HOSTILE]

quick = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


async def begun(store: Store) -> FlowRun:
    run = new_run("etl", state=State("Running"))
    await Runs(store).create(run)
    return run


def record(number: int, task: str, state: str, after: list[str] | None = None) -> dict[str, Any]:
    """Return a record with its fields in the order in which a flow process writes them."""
    kind = State(state)
    at = (START + timedelta(seconds=number)).isoformat()
    more = {} if after is None else {"after": after}
    return {
        "id": f"t{number:05}", "name": f"{task}-{number}", "key": task, "code": "c", "task": task,
        "flow_run": "r", "tags": ['"task":"x"'], **more,
        "state": {"type": kind.type.value, "name": state, "message": '"ended":"never"'},
        "attempt": 1, "created": at, "started": at if state != "Pending" else None,
        "ended": at if kind.ended else None, "result": {"task": "x", "started": 1},
        "checkpoint": None,
    }  # fmt: skip


async def put(store: Store, run: FlowRun, batch: int, records: list[dict[str, Any]]) -> None:
    flat: list[Any] = []
    for each in records:
        flat += [each["id"], each["state"]["type"], to_json(each), b"{}"]
    await store.call("record_tasks", run.id, run.epoch, batch, *flat)


STEPS = st.lists(
    st.tuples(
        st.integers(0, 5), st.sampled_from(["Running", "Cached", "Completed", "Failed", "TimedOut"])
    ),
    max_size=12,
)


@quick
@given(STEPS, st.lists(st.sampled_from(NAMES), min_size=6, max_size=6), st.integers(1, 6))
async def test_the_sums_that_are_kept_are_those_of_all_records(
    store: Store, steps: list[tuple[int, str]], names: list[str], size: int
) -> None:
    run, made, batches = await begun(store), dict[int, str](), list[list[dict[str, Any]]]()
    for at in range(0, len(steps), size):
        batch: list[dict[str, Any]] = []
        for number, state in steps[at : at + size]:
            if made.get(number, "Running") == "Running":
                made[number] = state
                batch.append(record(number, names[number], state, names[:number] or None))
        batches.append(batch)
    for number, batch in enumerate(batches, 1):
        await put(store, run, number, batch)
    runs = Runs(store)
    told = sorted(summed(await runs.tasks(run.id)), key=lambda each: each["task"])
    kept = sorted(await runs.task_sums(run.id), key=lambda each: each["task"])
    assert [{**each, "states": dict(each["states"])} for each in kept] == told
    await store.execute("DEL", store.keys("tasks", run.id))
    if made:  # they were kept, and not read off the records
        assert (await store.execute("HLEN", store.keys("sums", run.id))) == len(told)


async def listed(store: Store, run: FlowRun, wanted: TaskFilter, start: int = 0) -> list[int]:
    found: list[int] = []
    async for part in portions(store, run.id, start, wanted, size=3):
        found += [int(each["id"][1:]) for _, each in part.found]
        assert len(part.found) <= 3
        start = part.reached
    return found


@pytest.mark.parametrize("older", [False, True])
async def test_parts_of_the_task_runs_together_are_all_of_them(store: Store, older: bool) -> None:
    run = await begun(store)
    states = ["Completed" if number % 4 else "TimedOut" for number in range(20)]
    await put(store, run, 1, [record(n, NAMES[n % 3], state) for n, state in enumerate(states)])
    if older:
        await store.execute("DEL", store.keys("order", run.id), store.keys("sums", run.id))
    assert await listed(store, run, TaskFilter()) == list(range(20))
    assert await listed(store, run, TaskFilter(), start=17) == [17, 18, 19]
    for state in ("TimedOut", "Failed"):
        assert await listed(store, run, TaskFilter(state=state)) == list(range(0, 20, 4))
    assert await listed(store, run, TaskFilter(task=NAMES[2])) == list(range(2, 20, 3))
    assert await listed(store, run, TaskFilter("Cached", "load")) == []
    assert {each["task"]: each["runs"] for each in await Runs(store).task_sums(run.id)} == {
        NAMES[0]: 7, NAMES[1]: 7, NAMES[2]: 6,
    }  # fmt: skip


async def test_a_run_that_an_older_version_began_and_this_one_goes_on_with_lacks_none(
    store: Store,
) -> None:
    run = await begun(store)
    await put(store, run, 1, [record(n, "load", "Running") for n in range(4)])
    await store.execute("DEL", store.keys("order", run.id), store.keys("sums", run.id))
    await put(store, run, 2, [record(n, "load", "Completed") for n in (1, 4)])
    assert await listed(store, run, TaskFilter()) == [0, 1, 2, 3, 4]
    (told,) = await Runs(store).task_sums(run.id)
    assert (told["runs"], told["states"]) == (5, {"Running": 3, "Completed": 2})


async def test_what_is_forgotten_leaves_no_sums(store: Store) -> None:
    run = await begun(store)
    await put(store, run, 1, [record(1, "load", "Completed")])
    await Runs(store).transition(run, State("Completed"), own=False)
    assert await store.call("forget_runs", 10**15, 10) == 1
    assert await store.execute("KEYS", f"*{run.id}*") == []
