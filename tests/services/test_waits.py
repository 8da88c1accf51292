"""The reader of waits on the real store: order, deadlines, restarts, what it keeps of the log."""

from __future__ import annotations

import time
from typing import Any

import pytest
from pydantic_core import from_json

from upshot.events.event import Event
from upshot.events.log import Log
from upshot.events.store import Store
from upshot.flows.runs.flowrun import FlowRun, Pause, new_run
from upshot.flows.runs.registry import Runs
from upshot.flows.states import State
from upshot.services.scheduler.waits import Waits


async def waiting(
    store: Store, *, since: str | None = "0-0", until: int | None = None, **awaits: Any
) -> FlowRun:
    """Put a run into the store that waits for an event without a process."""
    runs = Runs(store)
    run = new_run("f", state=State("Scheduled"), pool="default")
    await runs.create(run)
    for state in ("Pending", "Running"):
        run = await runs.transition(run, State(state), own=False, started=state == "Running")
    pause = Pause("event-1", awaits={"expect": ["a"], **awaits}, since=since, until=until)
    more = {"pause": pause.to_json()}
    run = await runs.transition(run, State("Suspended"), own=True, fields=more)
    await store.call("leave_run", run.id, run.epoch, 0)
    return await runs.get(run.id)


async def emit(store: Store, *numbers: int, name: str = "a", **labels: str) -> list[str]:
    resource = {"id": "thing", **labels}
    events = [Event(event=name, resource=resource, payload={"n": n}) for n in numbers]
    return [str(position) for position in (await Log(store).append(events)).positions]


async def answer(store: Store, run: FlowRun) -> Any:
    """Return what a run was answered: the event's number, or why it got none."""
    stored = await store.execute("HGET", store.keys("run", run.id), "input:event-1")
    if not stored:
        return None
    body = from_json(stored)
    return body["event"]["payload"]["n"] if "event" in body else next(iter(body))


async def cursor(store: Store) -> str | None:
    stored = await store.execute("HGET", store.keys("cursors"), "waits")
    return stored.decode() if stored else None


async def test_the_first_event_that_fits_is_the_answer_also_one_from_before(store: Store) -> None:
    await emit(store, 1, name="b")
    positions = await emit(store, 2, 3, 4)
    whole = await waiting(store)
    behind = await waiting(store, since=positions[0])
    picky = await waiting(store, where="event.payload.n > 3")
    labelled = await waiting(store, match={"kind": "x*"})
    related = await waiting(store, expect=[], match_related={"role": "flow", "name": "f"})
    waits = Waits(store, 1000)
    await waits.work()
    await emit(store, 5, kind="xyz")
    await waits.work()
    found = [await answer(store, run) for run in (whole, behind, picky, labelled)]
    assert found == [2, 3, 4, 5]
    event = from_json(await store.execute("HGET", store.keys("run", related.id), "input:event-1"))[
        "event"
    ]
    assert event["event"] == "flow-run.scheduled"


async def test_a_wait_ends_on_the_log_and_no_later_event_counts(store: Store) -> None:
    now = int(time.time() * 1000)
    gone = await waiting(store, until=now - 10_000)
    soon = await waiting(store, until=now + 600_000)
    await emit(store, 1)
    waits = Waits(store, 1000)
    await waits.work()
    await waits.work()
    assert (await answer(store, gone), await answer(store, soon)) == ("timeout", 1)


async def test_time_in_which_nobody_could_send_does_not_count(store: Store) -> None:
    run = await waiting(store, until=int(time.time() * 1000) + 1)
    # An intake was there when it began to wait, and has been silent since.
    await store.execute("SET", store.keys("intake"), int(time.time() * 1000) - 5_000)
    waits = Waits(store, 1000)
    await waits.work()
    await waits.work()
    assert await answer(store, run) is None
    await store.execute("DEL", store.keys("intake"))
    await waits.work()
    assert await answer(store, run) == "timeout"


async def test_another_reader_goes_on_behind_the_cursor_and_reads_for_what_is_new(
    store: Store,
) -> None:
    first = Waits(store, 1000)
    known = await waiting(store, expect=["b"])
    await emit(store, 1)
    await first.work()
    read_to = await cursor(store)
    assert read_to is not None
    new = await waiting(store)
    await emit(store, 2, name="b")
    second = Waits(store, 1000)
    await second.work()
    assert (await answer(store, known), await answer(store, new)) == (2, 1)


async def test_the_log_is_kept_for_a_wait_and_for_none_that_is_over(store: Store) -> None:
    waits, log = Waits(store, 1000), Log(store)
    await log.register("engine", "99999999999999-0")
    await emit(store, *range(300), name="b")
    run = await waiting(store, expect=["c"])
    assert await cursor(store) == "0-0"
    assert await log.trim(0) == 0
    await waits.work()
    await emit(store, 1, name="c")
    await waits.work()
    assert await answer(store, run) == 1
    await waits.work()
    assert await cursor(store) is None
    assert await waits.work() > 0


async def test_two_readers_answer_once(store: Store) -> None:
    run = await waiting(store)
    readers = [Waits(store, 1000), Waits(store, 1000)]
    await emit(store, 1, 2)
    for reader in readers:
        await reader.work()
    again = await Runs(store).get(run.id)
    assert (again.state.name, again.version) == ("Scheduled", run.version + 1)
    assert await answer(store, run) == 1


@pytest.mark.parametrize("awaits", [{"where": "event."}, {"match": {"a": []}}, {"expect": ["A b"]}])
async def test_a_wait_that_makes_no_sense_is_answered_so(
    store: Store, awaits: dict[str, Any]
) -> None:
    run = await waiting(store, **awaits)
    await Waits(store, 1000).work()
    assert await answer(store, run) == "error"
