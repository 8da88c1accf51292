"""Runs that nobody takes are Late, and nothing else about them changes."""

from __future__ import annotations

from upshot.events.log import Log
from upshot.events.store import Store
from upshot.flows.runs.flowrun import FlowRun, new_run
from upshot.flows.runs.listing import RunFilter
from upshot.flows.runs.registry import Runs
from upshot.flows.states import State
from upshot.services.scheduler.late import Late

HOUR_MS = 3_600_000


async def waiting(store: Store, *, due_ms: int = 0, state: str = "Scheduled") -> FlowRun:
    run = new_run("made", state=State(state), pool="default", entrypoint="made.py:flow")
    await Runs(store).create(run, due_ms=due_ms)
    return await Runs(store).get(run.id)


async def states(store: Store, run: FlowRun) -> list[str]:
    events = await Log(store).range()
    about = [event for event in events if event.resource["id"] == f"flow-run.{run.id}"]
    return [f"{event.name} {event.resource['state']}" for event in about]


async def test_a_run_that_nobody_takes_is_late_once_and_can_be_taken(store: Store) -> None:
    runs, run = Runs(store), await waiting(store)
    for _ in range(2):
        assert await Late(store, after_ms=-1).mark() > 0
    late = await runs.get(run.id)
    assert (late.state.name, late.state.type.value, late.version) == ("Late", "Scheduled", 1)
    assert await states(store, run) == ["flow-run.scheduled Scheduled", "flow-run.scheduled Late"]
    listed, _ = await runs.list(RunFilter(flow="made", state="Late"))
    assert [each.id for each in listed] == [run.id]
    taken = await runs.transition(run, State("Pending"), own=False)  # as it was read before
    assert (await runs.get(run.id)).state.name == taken.state.name == "Pending"
    assert (await runs.list(RunFilter(flow="made", state="Late")))[0] == []


async def test_a_run_that_is_not_due_or_was_taken_or_waits_otherwise_is_not_late(
    store: Store,
) -> None:
    runs = Runs(store)
    later = await waiting(store, due_ms=await runs.now() + HOUR_MS)
    again = await waiting(store, state="AwaitingRetry")
    taken = await runs.transition(await waiting(store), State("Pending"), own=False)
    await Late(store, after_ms=HOUR_MS).mark()
    await Late(store, after_ms=-1).mark()
    names = [(await runs.get(run.id)).state.name for run in (later, again, taken)]
    assert names == ["Scheduled", "AwaitingRetry", "Pending"]
    left = await store.execute("ZRANGE", store.keys("on-time"), 0, -1)
    assert left == [later.id.encode()]


async def test_more_than_are_marked_at_once_are_marked_in_turn(store: Store) -> None:
    for _ in range(130):
        await waiting(store)
    late = Late(store, after_ms=-1)
    assert await late.mark() == 0
    assert await late.mark() > 0
    listed, _ = await Runs(store).list(RunFilter(state="Late"), limit=200)
    assert len(listed) == 130
