"""What the scheduler moves, ends and forgets, against the real store."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic_core import from_json, to_json

from upshot.events.event import Event
from upshot.events.exceptions import StoreUnavailable
from upshot.events.log import Log
from upshot.events.store import Store
from upshot.flows.runs.flowrun import FlowRun, new_run
from upshot.flows.runs.registry import Runs
from upshot.flows.states import State
from upshot.services.endings import Loss, settle
from upshot.services.scheduler.due import moving, pause
from upshot.services.scheduler.lapsed import Watchman, store_uptime
from upshot.services.scheduler.periodic import repeat
from upshot.services.scheduler.upkeep import Upkeep
from upshot.services.worker.presence import Presence

WEEK_MS = 7 * 86_400_000


def upkeep(store: Store, **times: int) -> Upkeep:
    given = {"log_retention_ms": WEEK_MS, "run_retention_ms": WEEK_MS, "silence_ms": WEEK_MS}
    return Upkeep(store, **{**given, **times})


async def letters(store: Store) -> list[str]:
    entries = await store.execute("XRANGE", store.keys("dead-letters"), "-", "+")
    return [entry[0].decode() for entry in entries]


async def test_dead_letters_go_when_they_are_old_or_too_many_the_oldest_first(store: Store) -> None:
    now = await Runs(store).now()
    old = [f"{now - 2000 - number}-0" for number in range(450, 0, -1)]
    young = [f"{now + number}-0" for number in range(3)]
    for each in (*old, *young):
        await store.execute("XADD", store.keys("dead-letters"), each, "d", "{}")
    await upkeep(store, letters=451).forget()
    assert await letters(store) == [*old[2:], *young]
    await upkeep(store, letter_retention_ms=1000).forget()
    assert await letters(store) == young
    await upkeep(store, letter_retention_ms=1000, letters=2).forget()
    assert await letters(store) == young[1:]


async def running(store: Store, lease_ms: int = 60_000, state: str = "Running") -> FlowRun:
    """Put a run into the store that was taken and, usually, begun."""
    runs = Runs(store, lease_ms=lease_ms)
    run = new_run("made", state=State("Scheduled"), pool="default", entrypoint="made.py:flow")
    await runs.create(run)
    run = await runs.transition(await runs.get(run.id), State("Pending"), own=False)
    if state == "Pending":
        return run
    return await runs.transition(run, State(state), own=True)


async def events(store: Store, prefix: str) -> list[str]:
    return [e.name for e in await Log(store).range() if e.name.startswith(prefix)]


def test_the_pause_ends_when_the_next_thing_is_due() -> None:
    assert pause(500, 10_000) == 0
    assert pause(3, -1) == 0.25
    assert pause(0, 10_000) == 0.25
    assert pause(0, 7) == 0.008


async def test_a_due_run_goes_to_its_queue(store: Store) -> None:
    run = new_run("made", state=State("Scheduled"), pool="gpu")
    clock = await store.execute("TIME")
    await Runs(store).create(run, due_ms=int(clock[0]) * 1000 + 3_600_000)
    work = moving(store, "enqueue_due")
    assert await work() == 0.25
    assert await store.execute("XLEN", store.keys("queue", "gpu")) == 0
    await store.execute("ZADD", store.keys("due"), 1, run.id)
    await work()
    assert await store.execute("XLEN", store.keys("queue", "gpu")) == 1
    assert (await Runs(store).get(run.id)).state.name == "Scheduled"


def test_silence_right_after_the_store_came_up_means_nothing() -> None:
    assert not Watchman(15).may_judge(100.0, store_uptime=15.0, store_clock=1e9)
    assert Watchman(15).may_judge(100.0, store_uptime=15.1, store_clock=1e9)


def test_after_an_interruption_everyone_has_a_lease_to_speak() -> None:
    watchman = Watchman(10)
    assert watchman.may_judge(100.0, 1e6, 1e9)
    assert watchman.may_judge(102.5, 1e6, 1e9)
    for now in (108.0, 110.0, 112.0, 114.0, 116.0, 118.0):
        assert not watchman.may_judge(now, 1e6, 1e9), now
    assert watchman.may_judge(118.1, 1e6, 1e9)


def test_a_clock_that_is_set_forward_ends_no_run() -> None:
    watchman = Watchman(10)
    assert watchman.may_judge(100.0, 1e6, 1e9)
    assert watchman.may_judge(101.0, 1e6, 1e9 + 1)
    for second in range(2, 12):
        assert not watchman.may_judge(100.0 + second, 1e6, 1e9 + 3600 + second), second
    assert watchman.may_judge(112.1, 1e6, 1e9 + 3612)


async def test_the_uptime_is_the_servers(store: Store) -> None:
    assert 0 <= await store_uptime(store) < 86_400


async def test_a_lapsed_run_crashes_with_its_open_task_runs(store: Store) -> None:
    run = await running(store, lease_ms=1)
    await record_tasks(store, run, done="Completed", open="Running", waiting="Scheduled")
    ended = await settle(store, Runs(store), run.id, run.epoch, Loss.LAPSED, "silent")
    assert ended is not None
    assert ended.state.name == "Crashed"
    tasks = {task["id"]: task for task in await Runs(store).tasks(run.id)}
    assert {key: task["state"]["type"] for key, task in tasks.items()} == {
        "done": "Completed",
        "open": "Crashed",
        "waiting": "Crashed",
    }
    assert tasks["open"]["ended"] == tasks["open"]["state"]["timestamp"]
    assert (await events(store, "task-run."))[3:] == ["task-run.crashed", "task-run.crashed"]
    assert await settle(store, Runs(store), run.id, run.epoch, Loss.LAPSED, "silent") is None


async def record_tasks(store: Store, run: FlowRun, **states: str) -> None:
    flat: list[Any] = []
    for number, (task_id, name) in enumerate(states.items()):
        state = State(name)
        record = {
            "id": task_id, "name": task_id, "key": task_id, "task": "t", "flow_run": run.id,
            "tags": ["a"], "state": state.to_dict(), "attempt": 1, "created": f"2026-{number}",
            "started": None, "ended": None, "result": None, "checkpoint": None,
        }  # fmt: skip
        event = Event(event=f"task-run.{name.lower()}", resource={"id": f"task-run.{task_id}"})
        flat += [task_id, state.type.value, to_json(record), event.to_json()]
    await store.call("record_tasks", run.id, run.epoch, "1", *flat)


async def test_the_task_runs_of_a_crashed_run_end_in_spite_of_an_outage(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await running(store)
    await record_tasks(store, run, open="Running")
    call, failed = store.call, list[str]()

    async def sometimes(function: str, *args: Any) -> Any:
        if function == "record_tasks" and not failed:
            failed.append(function)
            raise StoreUnavailable("away")
        return await call(function, *args)

    monkeypatch.setattr(store, "call", sometimes)
    await settle(store, Runs(store), run.id, run.epoch, Loss.ENDED, "gone")
    (task,) = await Runs(store).tasks(run.id)
    assert (failed, task["state"]["name"]) == (["record_tasks"], "Crashed")


async def test_a_run_that_shows_to_be_alive_is_left_alone(store: Store) -> None:
    run = await running(store)
    assert await settle(store, Runs(store), run.id, run.epoch, Loss.LAPSED, "silent") is None
    assert (await Runs(store).get(run.id)).state.name == "Running"


async def test_a_lapsed_run_that_had_not_begun_is_queued_again(store: Store) -> None:
    run = await running(store, lease_ms=1, state="Pending")
    await asyncio.sleep(0.005)
    again = await settle(store, Runs(store), run.id, run.epoch, Loss.LAPSED, "silent")
    assert again is not None
    assert again.state.message == "its worker died before it began"
    assert again.epoch == run.epoch + 1
    assert await store.execute("XLEN", store.keys("queue", "default")) == 2


async def test_the_end_of_an_older_process_does_not_touch_the_run(store: Store) -> None:
    run = await running(store)
    assert await settle(store, Runs(store), run.id, run.epoch - 1, Loss.ENDED, "gone") is None


async def test_a_silent_worker_is_offline_once(store: Store) -> None:
    presence = Presence.of(store, "w", "default", lambda: 0)
    await presence.show(starting=True)
    await presence.show()
    await upkeep(store).miss_workers()
    assert await events(store, "worker.") == ["worker.online"]
    await asyncio.sleep(0.005)
    late = upkeep(store, silence_ms=1)
    await asyncio.gather(late.miss_workers(), late.miss_workers())
    assert await events(store, "worker.") == ["worker.online", "worker.offline"]
    await presence.show()
    assert await events(store, "worker.") == ["worker.online", "worker.offline", "worker.online"]
    (record,) = (await store.execute("HGETALL", store.keys("workers"))).values()
    assert from_json(record)["pool"] == "default"


async def test_what_ended_long_ago_is_forgotten_and_the_rest_stays(store: Store) -> None:
    runs = Runs(store)
    ended = await running(store)
    await record_tasks(store, ended, done="Completed")
    await runs.transition(ended, State("Completed"), own=True)
    going = await running(store)
    await store.execute("ZADD", store.keys("firings"), 1, "f")
    await store.execute("HSET", store.keys("firing", "f"), "doc", "{}")
    await upkeep(store).forget()
    await runs.get(ended.id)
    await asyncio.sleep(0.005)
    await upkeep(store, run_retention_ms=1).forget()
    left = [key.decode() for key in await store.execute("KEYS", "*")]
    assert not [key for key in left if ended.id in key or key.endswith("firing:f")]
    await runs.get(going.id)
    assert await store.execute("ZCARD", store.keys("runs")) == 1
    assert await store.execute("ZCARD", store.keys("runs", "Completed")) == 0


async def test_a_failing_pass_is_followed_by_another() -> None:
    done = asyncio.Event()
    errors = [StoreUnavailable("away"), ValueError("broken")]

    async def work() -> float:
        if errors:
            raise errors.pop()
        done.set()
        return 60

    task = asyncio.create_task(repeat("test", work))
    await asyncio.wait_for(done.wait(), 30)
    task.cancel()
