"""Paused runs with a real worker: they hold no process, and go on where they were."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from upshot.events.store import Store
from upshot.flows.exceptions import InvalidInput, NotPausable, NotResumable
from upshot.flows.runs.flowrun import Pause, new_run
from upshot.flows.runs.registry import Runs
from upshot.flows.states import State
from upshot.services.scheduler.pauses import overdue

from . import pausable
from .pausable import go_on, states, until_seen, without_process
from .running import submit, until_line, until_state

FLOWS = pausable.FLOWS


async def test_a_run_that_waits_is_paused_and_does_not_start(served: Store, flows: Path) -> None:
    runs, path = Runs(served), flows.with_name("out")
    go_on(path)
    run = await submit(served, f"{flows}:steps", path=str(path))
    await runs.pause(run.id, "not yet")
    other = await submit(served, f"{flows}:steps", path=f"{path}.other")
    go_on(path.with_name("out.other"))
    await until_state(served, other, "Completed")
    assert (await runs.get(run.id)).state.name == "Paused"
    assert not path.exists()
    await runs.resume(run.id)
    done = await until_state(served, run, "Completed")
    assert done.attempt == 1
    assert await states(served, run) == [
        "Scheduled", "Paused", "Scheduled", "Pending", "Running", "Completed"
    ]  # fmt: skip


async def test_tasks_that_wait_in_a_pool_are_left_for_when_the_run_goes_on(
    served: Store, flows: Path
) -> None:
    runs, path = Runs(served, lease_ms=1000), flows.with_name("out")
    run = await submit(served, f"{flows}:mapped", path=str(path))
    await until_line(path)
    assert (await runs.pause(run.id, "wait")).state.name == "Suspended"
    assert (await runs.pause(run.id, "again")).state.message == "wait"
    await until_seen(served, run)
    go_on(path)
    await without_process(served, run)
    assert len(path.read_text().splitlines()) == 1
    await runs.resume(run.id, "go on")
    done = await until_state(served, run, "Completed")
    lines = [line.rpartition(" ")[0] for line in path.read_text().splitlines()]
    assert sorted(lines) == ["step 1", "step 2", "step 3"]
    assert (done.result, done.attempt) == (6, 1)


@pytest.mark.parametrize("name", ["approved", "approved_async"])
@pytest.mark.parametrize("leaves", [True, False])
async def test_a_flow_goes_on_with_the_input_that_it_asked_for(
    served: Store, flows: Path, name: str, leaves: bool
) -> None:
    runs, path = Runs(served, lease_ms=1000), flows.with_name("out")
    run = await submit(served, f"{flows}:{name}", path=str(path), leaves=leaves)
    asking = await until_state(served, run, "Suspended" if leaves else "Paused")
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
        await without_process(served, run)
    await runs.resume(run.id, input={"ok": True, "note": "go"})
    done = await until_state(served, run, "Completed")
    assert (done.result, done.attempt) == ("go", 1)
    assert path.read_text().count("prepare") == 1


async def test_a_flow_that_waits_in_a_killed_process_goes_on_in_another_one(
    served: Store, flows: Path
) -> None:
    runs, path = Runs(served, lease_ms=1000), flows.with_name("out")
    run = await submit(served, f"{flows}:approved", path=str(path), leaves=False)
    await until_state(served, run, "Paused")
    os.kill(int(path.read_text().split()[1]), signal.SIGKILL)
    await without_process(served, run)
    assert (await runs.get(run.id)).state.name == "Paused"
    await runs.resume(run.id, input={"ok": True})
    done = await until_state(served, run, "Completed")
    lines = [line.rpartition(" ")[0] for line in path.read_text().splitlines()]
    assert lines == ["prepare", "approved True"]
    assert done.attempt == 1


async def test_a_suspended_run_that_nobody_resumes_in_time_fails(
    served: Store, flows: Path
) -> None:
    path = flows.with_name("out")
    run = await submit(served, f"{flows}:approved", path=str(path), leaves=True, timeout=0.5)
    late = await until_state(served, run, "Failed")
    assert "FlowPauseTimeout" in late.state.message


async def test_a_part_of_a_paused_run_goes_on_with_it(served: Store, flows: Path) -> None:
    runs, path = Runs(served, lease_ms=1000), flows.with_name("out")
    run = await submit(served, f"{flows}:outer", path=str(path))
    await until_line(path)
    await runs.pause(run.id)
    await until_seen(served, run)
    go_on(path)
    await without_process(served, run)
    await runs.resume(run.id)
    done = await until_state(served, run, "Completed")
    lines = [line.rpartition(" ")[0] for line in path.read_text().splitlines()]
    assert lines == ["part", "step 2"]
    assert (done.result, done.attempt) == ("inner done", 1)


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
