"""Paused runs and the workers that they were with: killed, stopped, or never asked again."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

from tests.waiting import until
from upshot.events.store import Store
from upshot.flows.runs.registry import RunFilter, Runs
from upshot.services.scheduler.pauses import Pauses

from . import pausable
from .pausable import go_on, states, until_seen, without_process
from .running import scheduler, submit, until_line, until_state, worker

FLOWS = pausable.FLOWS


async def test_a_suspended_run_survives_its_worker_and_keeps_what_was_done(
    store: Store, flows: Path
) -> None:
    runs, path = Runs(store, lease_ms=1000), flows.with_name("out")
    with worker(store.url) as first:
        run = await submit(store, f"{flows}:steps", path=str(path))
        await until_line(path)
        await runs.pause(run.id)
        await until_seen(store, run)
        go_on(path)
        await without_process(store, run)
        first.send_signal(signal.SIGKILL)
    with scheduler(store.url), worker(store.url, "second"):
        await runs.resume(run.id)
        done = await until_state(store, run, "Completed")
    lines = path.read_text().splitlines()
    assert [line.rpartition(" ")[0] for line in lines] == ["step 1", "step 2", "step 3"]
    assert len({line.split()[2] for line in lines}) == 2
    assert (done.result, done.attempt) == (6, 1)
    assert await states(store, run) == [
        "Scheduled", "Pending", "Running", "Suspended", "Scheduled", "Pending", "Running",
        "Completed",
    ]  # fmt: skip


async def test_a_worker_that_is_stopped_ends_no_run_that_waits_for_somebody(
    store: Store, flows: Path
) -> None:
    runs, path = Runs(store, lease_ms=1000), flows.with_name("out")
    with worker(store.url) as first:
        run = await submit(store, f"{flows}:approved", path=str(path), leaves=False)
        await until_state(store, run, "Paused")

        async def asked_to_stop_and_gone() -> bool:
            first.send_signal(signal.SIGTERM)  # asked again, it does not wait for its flows
            await asyncio.sleep(0.2)
            return await store.execute("ZSCORE", store.keys("leases"), run.id) is None

        await until(asked_to_stop_and_gone, "no lease")
    assert (await runs.get(run.id)).state.name == "Paused"
    with worker(store.url, "second"):
        await runs.resume(run.id, input={"ok": True})
        done = await until_state(store, run, "Completed")
    assert done.attempt == 1


async def test_a_part_of_a_run_that_ends_while_it_is_suspended_ends_as_well(
    store: Store, flows: Path
) -> None:
    runs, path = Runs(store, lease_ms=1000), flows.with_name("out")
    with worker(store.url):
        run = await submit(store, f"{flows}:outer", path=str(path))
        await until_line(path)
        await runs.pause(run.id)
        await until_seen(store, run)
        go_on(path)
        await without_process(store, run)
    found, _ = await runs.list(RunFilter(flow="inner"))
    assert [(each.state.name, each.parent) for each in found] == [("Suspended", run.id)]
    pauses = Pauses(store, 1000)
    await pauses.end_parts()
    assert (await runs.get(found[0].id)).state.name == "Suspended"
    await runs.cancel(run.id)
    await pauses.end_parts()
    assert (await runs.get(found[0].id)).state.name == "Cancelled"
