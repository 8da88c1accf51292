"""Flows that wait for events, with real workers, schedulers and bad days."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import stamina

from tests.waiting import until
from upshot.events.embedded import EmbeddedStore
from upshot.events.event import Event
from upshot.events.exceptions import StoreUnavailable
from upshot.events.log import Log
from upshot.events.store import Store
from upshot.flows.exceptions import NotResumable
from upshot.flows.runs.flowrun import FlowRun
from upshot.flows.runs.registry import Runs

from .running import scheduler, submit, until_state, worker

FLOWS = """
import os

from upshot import emit_event, flow, wait_for_event


@flow
def shipped(order: str, stay: float = 0.0) -> dict:
    event = wait_for_event("order.shipped", match={"id": order}, stay=stay)
    return event.payload


@flow
def twice() -> list:
    return [wait_for_event("order.*", stay=0.0).payload["n"] for _ in range(2)]


@flow
def before() -> int:
    emit_event("order.placed", {"id": "order.1"}, payload={"n": 7})
    return wait_for_event("order.placed", where="event.payload.n > 5", stay=0.0).payload["n"]


@flow
def late() -> str:
    try:
        wait_for_event("order.shipped", timeout=0.3, stay=0.0)
    except TimeoutError as error:
        return type(error).__name__


@flow
def wrong() -> None:
    wait_for_event("order.shipped", where="event.payload.", stay=0.0)
"""


async def emit(store: Store, order: str = "order.1", **payload: object) -> None:
    event = Event(event="order.shipped", resource={"id": order}, payload=payload)
    await Log(store).append([event])


async def suspended(store: Store, run: FlowRun) -> FlowRun:
    """Wait until a run waits without a process."""
    await until_state(store, run, "Suspended")

    async def there() -> bool:
        return await store.execute("ZSCORE", store.keys("leases"), run.id) is None

    await until(there, "no process")
    return await Runs(store).get(run.id)


@pytest.mark.parametrize("stay", [0.0, 60.0])
async def test_a_flow_goes_on_with_the_event_that_it_waited_for(
    served: Store, flows: Path, stay: float
) -> None:
    run = await submit(served, f"{flows}:shipped", order="order.2", stay=stay)
    if stay:
        await until_state(served, run, "Suspended")
    else:
        await suspended(served, run)
    with pytest.raises(NotResumable, match="waits for an event"):
        await Runs(served).resume(run.id)
    await emit(served, "order.1", n=1)
    await emit(served, "order.2", n=2)
    await emit(served, "order.2", n=3)
    done = await until_state(served, run, "Completed")
    assert (done.result, done.attempt) == ({"n": 2}, 1)


async def test_an_event_counts_that_came_before_the_flow_waited(served: Store, flows: Path) -> None:
    run = await submit(served, f"{flows}:before")
    assert (await until_state(served, run, "Completed")).result == 7


async def test_an_event_counts_that_came_while_the_run_waited_for_a_worker(
    store: Store, flows: Path
) -> None:
    await emit(store, n=1)
    run = await submit(store, f"{flows}:shipped", order="order.1")
    await emit(store, n=2)
    with worker(store.url), scheduler(store.url):
        assert (await until_state(store, run, "Completed")).result == {"n": 2}


async def test_equal_waits_get_one_event_after_the_other(served: Store, flows: Path) -> None:
    run = await submit(served, f"{flows}:twice")
    await suspended(served, run)
    for n in (1, 2, 3):
        await emit(served, n=n)
    assert (await until_state(served, run, "Completed")).result == [1, 2]


async def test_a_wait_ends_when_its_time_is_over_on_the_log(served: Store, flows: Path) -> None:
    run = await submit(served, f"{flows}:late")
    assert (await until_state(served, run, "Completed")).result == "EventTimeout"


async def test_a_wait_that_can_not_be_understood_fails_naming_the_field(
    served: Store, flows: Path
) -> None:
    run = await submit(served, f"{flows}:wrong")
    failed = await until_state(served, run, "Failed")
    assert failed.state.message.startswith("InvalidWait: where:")


async def test_waits_survive_kills_of_everything_and_see_what_came_meanwhile(
    embedded: EmbeddedStore, store: Store, flows: Path
) -> None:
    with worker(store.url) as first, scheduler(store.url) as reader:
        runs = [await submit(store, f"{flows}:shipped", order=f"order.{n}") for n in range(3)]
        for run in runs:
            await suspended(store, run)
        await emit(store, "order.0", n=0)
        await until_state(store, runs[0], "Completed")
        for process in (first, reader):
            process.send_signal(signal.SIGKILL)
    await emit(store, "order.1", n=1)
    assert embedded.pid is not None
    os.kill(embedded.pid, signal.SIGKILL)
    embedded.wait()
    embedded.start()
    async for attempt in stamina.retry_context(on=StoreUnavailable, attempts=5):
        with attempt:
            await emit(store, "order.2", n=2)
    await emit(store, "order.1", n=-1)
    with worker(store.url, "second"), scheduler(store.url):
        results = [(await until_state(store, run, "Completed")).result for run in runs]
    assert results == [{"n": 0}, {"n": 1}, {"n": 2}]
