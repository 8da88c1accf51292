"""Paused runs with real workers: they hold no process, survive kills, and go on where they were."""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from tests.waiting import until
from upshot.events.log import Log
from upshot.events.store import Store
from upshot.flows.exceptions import InvalidInput, NotPausable, NotResumable
from upshot.flows.runs.flowrun import FlowRun, Pause, new_run
from upshot.flows.runs.registry import RunFilter, Runs
from upshot.flows.states import State
from upshot.services.scheduler.pauses import Pauses, overdue

from .running import scheduler, submit, until_line, until_state, worker

FLOWS = """
import os, time
from pathlib import Path

from pydantic import BaseModel

from upshot.flows import ThreadPoolTaskRunner
from upshot import flow, pause_flow_run, suspend_flow_run, task


def note(path, text):
    with open(path, "a") as file:
        file.write(f"{text} {os.getpid()}\\n")


@task
def step(path: str, number: int) -> int:
    note(path, f"step {number}")
    while number == 1 and not Path(path + ".go").exists():
        time.sleep(0.01)
    return number


@flow
def steps(path: str) -> int:
    return sum(step(path, number) for number in (1, 2, 3))


class Approval(BaseModel):
    ok: bool
    note: str = "none"


@task
def prepare(path: str) -> None:
    note(path, "prepare")


@flow
def approved(path: str, leaves: bool, timeout: float = 3600) -> str:
    prepare(path)
    wait = suspend_flow_run if leaves else pause_flow_run
    approval = wait(Approval, timeout=timeout, description="Ship it?")
    note(path, f"approved {approval.ok}")
    return approval.note


@flow
async def approved_async(path: str, leaves: bool) -> str:
    prepare(path)
    wait = suspend_flow_run if leaves else pause_flow_run
    return (await wait(Approval)).note


@task
def part(path: str) -> None:
    note(path, "part")


@flow
def inner(path: str) -> str:
    part(path)
    while not Path(path + ".go").exists():
        time.sleep(0.01)
    step(path, 2)
    return "inner done"


@flow
def outer(path: str) -> str:
    return inner(path)


@flow(task_runner=ThreadPoolTaskRunner(max_workers=1))
def mapped(path: str) -> int:
    return sum(step.map([path] * 3, [1, 2, 3]).result())
"""


def go_on(path: Path) -> None:
    """Let the first step end."""
    path.with_name(f"{path.name}.go").touch()


async def states(store: Store, run: FlowRun) -> list[str]:
    """Return the states that a run went through, as its events tell."""
    events = await Log(store).range()
    mine = [event for event in events if event.resource["id"] == f"flow-run.{run.id}"]
    return [event.resource["state"] for event in mine]


async def without_process(store: Store, run: FlowRun) -> None:
    async def there() -> bool:
        return await store.execute("ZSCORE", store.keys("leases"), run.id) is None

    await until(there, "no lease")


async def test_a_run_that_waits_is_paused_and_does_not_start(store: Store, flows: Path) -> None:
    runs, path = Runs(store), flows.with_name("out")
    go_on(path)
    run = await submit(store, f"{flows}:steps", path=str(path))
    await runs.pause(run.id, "not yet")
    other = await submit(store, f"{flows}:steps", path=f"{path}.other")
    go_on(path.with_name("out.other"))
    with worker(store.url):
        await until_state(store, other, "Completed")
        assert (await runs.get(run.id)).state.name == "Paused"
        assert not path.exists()
        await runs.resume(run.id)
        done = await until_state(store, run, "Completed")
    assert done.attempt == 1
    assert await states(store, run) == [
        "Scheduled", "Paused", "Scheduled", "Pending", "Running", "Completed"
    ]  # fmt: skip


async def test_tasks_that_wait_in_a_pool_are_left_for_when_the_run_goes_on(
    store: Store, flows: Path
) -> None:
    runs, path = Runs(store, lease_ms=1000), flows.with_name("out")
    with worker(store.url):
        run = await submit(store, f"{flows}:mapped", path=str(path))
        await until_line(path)
        assert (await runs.pause(run.id, "wait")).state.name == "Suspended"
        assert (await runs.pause(run.id, "again")).state.message == "wait"
        await _seen_by_its_process()
        go_on(path)
        await without_process(store, run)
        assert len(path.read_text().splitlines()) == 1
        await runs.resume(run.id, "go on")
        done = await until_state(store, run, "Completed")
    lines = [line.rpartition(" ")[0] for line in path.read_text().splitlines()]
    assert sorted(lines) == ["step 1", "step 2", "step 3"]
    assert (done.result, done.attempt) == (6, 1)


async def test_a_suspended_run_survives_its_worker_and_keeps_what_was_done(
    store: Store, flows: Path
) -> None:
    runs, path = Runs(store, lease_ms=1000), flows.with_name("out")
    with worker(store.url) as first:
        run = await submit(store, f"{flows}:steps", path=str(path))
        await until_line(path)
        await runs.pause(run.id)
        await _seen_by_its_process()
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


@pytest.mark.parametrize("name", ["approved", "approved_async"])
@pytest.mark.parametrize("leaves", [True, False])
async def test_a_flow_goes_on_with_the_input_that_it_asked_for(
    store: Store, flows: Path, name: str, leaves: bool
) -> None:
    runs, path = Runs(store, lease_ms=1000), flows.with_name("out")
    with worker(store.url):
        run = await submit(store, f"{flows}:{name}", path=str(path), leaves=leaves)
        asking = await until_state(store, run, "Suspended" if leaves else "Paused")
        assert asking.pause is not None
        assert asking.pause.schema is not None
        assert set(asking.pause.schema["properties"]) == {"ok", "note"}
        with pytest.raises(InvalidInput, match=r"input\.ok: 'perhaps' is not of type 'boolean'"):
            await runs.resume(run.id, input={"ok": "perhaps"})
        with pytest.raises(InvalidInput, match=r"input\.ok: 'ok' is a required property"):
            await runs.resume(run.id, input={})
        with pytest.raises(InvalidInput, match="input: is required"):
            await runs.resume(run.id)
        if leaves:
            await without_process(store, run)
        await runs.resume(run.id, input={"ok": True, "note": "go"})
        done = await until_state(store, run, "Completed")
    assert (done.result, done.attempt) == ("go", 1)
    assert path.read_text().count("prepare") == 1


async def test_a_flow_that_waits_in_a_killed_process_goes_on_in_another_one(
    store: Store, flows: Path
) -> None:
    runs, path = Runs(store, lease_ms=1000), flows.with_name("out")
    with worker(store.url):
        run = await submit(store, f"{flows}:approved", path=str(path), leaves=False)
        await until_state(store, run, "Paused")
        os.kill(int(path.read_text().split()[1]), signal.SIGKILL)
        await without_process(store, run)
        assert (await runs.get(run.id)).state.name == "Paused"
        await runs.resume(run.id, input={"ok": True})
        done = await until_state(store, run, "Completed")
    lines = [line.rpartition(" ")[0] for line in path.read_text().splitlines()]
    assert lines == ["prepare", "approved True"]
    assert done.attempt == 1


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


async def test_a_suspended_run_that_nobody_resumes_in_time_fails(store: Store, flows: Path) -> None:
    path = flows.with_name("out")
    with worker(store.url), scheduler(store.url):
        run = await submit(store, f"{flows}:approved", path=str(path), leaves=True, timeout=0.5)
        late = await until_state(store, run, "Failed")
    assert "FlowPauseTimeout" in late.state.message


async def test_a_part_of_a_paused_run_goes_on_with_it(store: Store, flows: Path) -> None:
    runs, path = Runs(store, lease_ms=1000), flows.with_name("out")
    with worker(store.url), scheduler(store.url):
        run = await submit(store, f"{flows}:outer", path=str(path))
        await until_line(path)
        await runs.pause(run.id)
        await _seen_by_its_process()
        go_on(path)
        await without_process(store, run)
        await runs.resume(run.id)
        done = await until_state(store, run, "Completed")
    lines = [line.rpartition(" ")[0] for line in path.read_text().splitlines()]
    assert lines == ["part", "step 2"]
    assert (done.result, done.attempt) == ("inner done", 1)


async def test_a_part_of_a_run_that_ends_while_it_is_suspended_ends_as_well(
    store: Store, flows: Path
) -> None:
    runs, path = Runs(store, lease_ms=1000), flows.with_name("out")
    with worker(store.url):
        run = await submit(store, f"{flows}:outer", path=str(path))
        await until_line(path)
        await runs.pause(run.id)
        await _seen_by_its_process()
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


async def _seen_by_its_process() -> None:
    await asyncio.sleep(1.2)  # a process looks once a second


async def test_a_run_that_ends_can_not_be_paused(store: Store) -> None:
    runs = Runs(store)
    run = await submit(store, "made.py:steps")
    await runs.transition(run, State("Cancelled"), own=False)
    with pytest.raises(NotPausable, match="is Cancelled"):
        await runs.pause(run.id)
    with pytest.raises(NotResumable, match="is Cancelled"):
        await runs.resume(run.id)


async def test_one_that_goes_on_already_is_left_alone_and_takes_no_input(store: Store) -> None:
    runs = Runs(store)
    run = await submit(store, "made.py:steps")
    assert (await runs.resume(run.id)).version == 1
    with pytest.raises(NotResumable, match="is Scheduled"):
        await runs.resume(run.id, input={"ok": True})
    await runs.pause(run.id)
    with pytest.raises(NotResumable, match="takes no input"):
        await runs.resume(run.id, input={"ok": True})


async def test_a_paused_run_is_cancelled_at_once(store: Store) -> None:
    runs = Runs(store)
    run = await submit(store, "made.py:steps")
    await runs.pause(run.id)
    assert (await runs.cancel(run.id)).state.name == "Cancelled"


def test_a_process_that_is_there_has_a_lease_to_end_its_own_pause() -> None:
    run = new_run("f", state=State("Paused"), pause=Pause("k", until=1000))
    assert overdue(run, 999, occupied=False, grace_ms=50) is None
    assert overdue(run, 1000, occupied=False, grace_ms=50) is not None
    assert overdue(run, 1049, occupied=True, grace_ms=50) is None
    assert overdue(run, 1050, occupied=True, grace_ms=50) is not None
    waits = replace(run, pause=Pause("k", until=1000, awaits={"expect": ["a"]}))
    assert overdue(waits, 5000, occupied=False, grace_ms=50) is None
    assert overdue(replace(run, pause=None), 5000, occupied=False, grace_ms=50) is None
