"""What a run waits for is said: at once to who waits for it, and whenever it is looked at."""

from __future__ import annotations

import asyncio
import contextlib
import io
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.waiting import until
from upshot.events.store import Store
from upshot.flows.runs.flowrun import FlowRun, new_run
from upshot.flows.runs.registry import RunFilter, Runs
from upshot.flows.states import State
from upshot.services.cli.app import run as cli
from upshot.services.holdups import Reason, Seen, holdup
from upshot.services.worker.presence import Presence

from .api_served import Api
from .running import until_state, worker

RUN = {"state": {"type": "Scheduled"}, "work_pool": "p", "queue": "q"}
FULL = {"limit": 1, "used": 1, "active": True, "holders": [{"run": "1", "slots": 1}]}
QUEUE, POOL = "work-queue:p/q", "work-pool:p"


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (Seen(due=1, pool=True), Reason.TIME),
        (Seen(in_line=["deployment:a/b"], pool=True), Reason.LIMIT),
        (Seen(pool=True, queue=True), Reason.POOL_PAUSED),
        (Seen(queue=True), Reason.QUEUE_PAUSED),
        (Seen(limits={POOL: FULL}), Reason.NO_WORKER),
        (Seen(workers=1, limits={POOL: FULL}, in_line=[POOL]), Reason.LIMIT),
        (Seen(workers=1, limits={QUEUE: FULL}), Reason.LIMIT),
        (Seen(workers=1, limits={QUEUE: {**FULL, "limit": 2}}), Reason.WORKER),
        (Seen(workers=1, limits={QUEUE: {**FULL, "active": False}}), Reason.WORKER),
        (Seen(workers=1), Reason.WORKER),
    ],
)
def test_the_first_thing_that_holds_a_run_is_named(seen: Seen, reason: Reason) -> None:
    found = holdup(RUN, seen)
    assert found is not None
    assert found.reason is reason


def test_who_has_the_slots_is_named_by_some_names() -> None:
    holders = [{"run": str(number), "slots": 1} for number in range(7)]
    full = {**FULL, "limit": 7, "used": 7, "holders": holders}
    names = {str(number): f"run-{number}" for number in range(7)}
    found = holdup(RUN, Seen(workers=1, limits={POOL: full}, names=names))
    assert found is not None
    assert found.message == (
        "limit work-pool:p has no slot free: 7 of 7 in use, "
        "by run-0, run-1, run-2, run-3, run-4 and 2 more"
    )
    assert (found.limit, len(found.holders)) == (POOL, 7)


@given(st.sampled_from(["Completed", "Failed", "Crashed", "Cancelled", "Paused", "Pending"]))
def test_one_that_ended_or_is_paused_waits_for_nothing_here(kind: str) -> None:
    assert holdup({**RUN, "state": {"type": kind}}, Seen(pool=True, in_line=["a"])) is None


def test_one_that_runs_waits_for_the_limits_of_its_code_alone() -> None:
    running = {**RUN, "state": {"type": "Running"}}
    found = holdup(running, Seen(in_line=["tag:db"], limits={"tag:db": FULL}))
    assert found is not None
    assert (found.reason, found.limit, found.holders) == (Reason.LIMIT, "tag:db", ("1",))
    assert holdup(running, Seen(pool=True)) is None


async def make(store: Store, **more: Any) -> FlowRun:
    run = new_run("made", state=State("Scheduled"), entrypoint="x.py:f", pool="default", **more)
    await Runs(store).create(run)
    return run


async def waits_for(api: Api, run: FlowRun) -> Any:
    return (await api.get(f"/api/v1/runs/{run.id}"))["waits_for"]


async def serve(store: Store) -> None:
    """Let a worker of the default pool be there."""
    await Presence.of(store, "w", "default", lambda: 0).show(starting=True)


async def test_what_a_run_waits_for_is_shown_with_it(api: Api) -> None:
    pool = {"name": "default", "queues": [{"name": "bulk", "limit": 1}]}
    await api.post("/api/v1/apply", json={"work_pools": [pool]})
    first, second = await make(api.store, queue="bulk"), await make(api.store, queue="bulk")
    assert (await waits_for(api, second))["reason"] == "no-worker"
    await serve(api.store)
    assert (await waits_for(api, second))["reason"] == "worker"
    await Runs(api.store).transition(first, State("Pending"), own=False)
    assert await waits_for(api, second) == {
        "reason": "limit",
        "message": "limit work-queue:default/bulk has no slot free: 1 of 1 in use, "
        f"by {first.name}",
        "limit": "work-queue:default/bulk",
        "holders": [first.name],
    }
    await api.post("/api/v1/work-pools/default/queues/bulk/pause")
    assert (await waits_for(api, second))["reason"] == "queue-paused"
    await api.post("/api/v1/work-pools/default/pause")
    assert "upshot work-pool resume default" in (await waits_for(api, second))["message"]
    assert await waits_for(api, first) is None


async def test_limits_in_use_tell_who_waits_in_queues(api: Api) -> None:
    pool = {"name": "default", "concurrency_limit": 1, "queues": [{"name": "bulk", "limit": 2}]}
    await api.post("/api/v1/apply", json={"work_pools": [pool]})
    first, second = await make(api.store, queue="bulk"), await make(api.store)
    await Runs(api.store).transition(first, State("Pending"), own=False)
    used = {each["name"]: each for each in (await api.get("/api/v1/limits-in-use"))["items"]}
    assert used["work-pool:default"]["line"] == [second.id]
    assert used["work-queue:default/bulk"]["holders"] == [{"run": first.id, "slots": 1}]
    assert used["work-queue:default/bulk"]["waiting"] == 0


FLOW = """
from upshot import flow


@flow
def made() -> None:
    print("there")
"""


async def test_who_waits_for_a_run_that_no_worker_takes_is_told_so_at_once(
    api: Api, tmp_path: Path
) -> None:
    (tmp_path / "made.py").write_text(FLOW)
    doc = {"name": "made/one", "entrypoint": f"{tmp_path / 'made.py'}:made"}
    await api.post("/api/v1/deployments", 201, json=doc)
    said, printed = io.StringIO(), io.StringIO()

    def wait() -> int:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(printed):
            return cli(["--url", api.url, "deployment", "run", "made/one", "--wait"])

    waiting = asyncio.ensure_future(asyncio.to_thread(wait))

    async def told() -> bool:
        return "upshot worker start --pool default" in " ".join(said.getvalue().split())

    await until(told, "the want of a worker is told")
    ((_, run),) = [each async for each in Runs(api.store).newest(RunFilter())]
    with worker(api.store.url):
        await until_state(api.store, run, "Completed")
        assert await waiting == 0
    assert len(re.findall("no worker serves", said.getvalue())) == 1
