"""Firings that a later one replaces: what they had not begun is left out, their runs cancelled."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pydantic_core import to_json

from tests.services.dispatching import (
    Service,
    call,
    dispatching,
    entry,
    joined,
    receiving,
)
from tests.waiting import until
from upshot.automations.actions.run_deployment import run_id
from upshot.events.ids import derived_id
from upshot.events.settings import Settings
from upshot.flows.runs.registry import Runs

DEFINITIONS: dict[str, dict[str, Any]] = {
    "deployment": {"etl/nightly": {"name": "etl/nightly", "entrypoint": "x.py:f"}}
}
START = {"run-deployment": {"deployment": "etl/nightly"}}
NOTE = {"emit-event": {"event": "it.went-on"}}
_PROGRAM = """
import asyncio, sys
from upshot.events.settings import Settings
from upshot.services.dispatcher import ledger, run

async def never(self, arguments):
    await asyncio.Event().wait()

ledger.Ledger.settle = never
asyncio.run(run(Settings(lease=0.5), sys.argv[1]))
"""


@contextmanager
def never_settling(store_url: str) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", _PROGRAM, store_url]) as child:
        try:
            yield child
        finally:
            child.kill()


async def fired(service: Service, *actions: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return the entry of a firing that the engine has committed, which may be stopped."""
    made = entry(*actions, stoppable=True, **changes)
    doc = {
        "id": made["firing"],
        "automation": "orders",
        "automation_id": "auto-1",
        "version": 4,
        "actions": [next(iter(action)) for action in actions],
        **{name: made[name] for name in ("bucket", "reason", "at", "cause", "causation")},
    }
    key = service.store.keys("firing", made["firing"])
    await service.store.execute("HSET", key, "doc", to_json(doc))
    return made


async def details(service: Service, firing: str) -> list[tuple[str, str]]:
    outcomes = await service.outcomes(firing)
    return [(each["outcome"], each["detail"]) for _, each in sorted(outcomes.items())]


async def state(service: Service, firing: str, index: int = 0) -> str:
    return (await Runs(service.store).get(run_id(firing, index))).state.name


async def test_runs_are_cancelled_and_what_was_not_begun_is_left_out(store_url: str) -> None:
    async with receiving() as receiver, dispatching(store_url, definitions=DEFINITIONS) as service:
        hanging = call(receiver.url + "/hang", timeout="1m")
        old = await fired(service, START, hanging, NOTE, NOTE)
        await service.send(old)
        await receiver.until_asked(1)
        new = await fired(service, START, replaces=[old["firing"]])
        await service.send(new)
        await service.outcome(new["firing"])
        assert await state(service, old["firing"]) == "Cancelled"
        assert await state(service, new["firing"]) == "Scheduled"
        told = f"replaced by firing {new['firing']}"
        left = await service.outcomes(old["firing"])
        assert [left[index]["detail"] for index in "23"] == [told, told]
        assert "1" not in left
        receiver.held.set()
        await until(service.idle)
        assert [each for each, _ in await details(service, old["firing"])] == [
            "succeeded", "succeeded", "skipped", "skipped",
        ]  # fmt: skip
        assert len(await service.events("action.skipped")) == 2
        assert await service.events("it.went-on") == []
        (cancelled,) = await service.events("flow-run.cancelled")
        assert cancelled["follows"] == derived_id("fired", new["firing"])


async def test_one_that_was_not_begun_does_nothing_and_still_stops_what_it_replaces(
    store_url: str,
) -> None:
    async with dispatching(store_url, definitions=DEFINITIONS) as service:
        first = await fired(service, START)
        second = await fired(service, NOTE, replaces=[first["firing"]])
        third = await fired(service, START, replaces=[second["firing"]])
        for each in (third, second, first):
            await service.send(each)
            await until(service.idle)
        told = [await details(service, each["firing"]) for each in (first, second, third)]
        assert [[outcome for outcome, _ in each] for each in told] == [
            ["skipped"], ["skipped"], ["succeeded"],
        ]  # fmt: skip
        assert await service.events("it.went-on") == []
        assert len(await service.events("flow-run.scheduled")) == 1


async def test_one_that_waits_for_a_later_try_does_not_go_on(store_url: str) -> None:
    async with receiving() as receiver, dispatching(store_url) as service:
        receiver.answers = [(503, {"Retry-After": "1"})]
        old = await fired(service, call(receiver.url + "/x"), NOTE)
        await service.send(old)
        await until(lambda: _parked(service))
        new = await fired(service, NOTE, replaces=[old["firing"], "nobody"])
        await service.send(new)
        await service.outcome(new["firing"])
        assert [each for each, _ in await details(service, old["firing"])] == ["skipped", "skipped"]
        await until(service.idle)
        assert len(receiver.got) == 1
        assert len(await service.events("it.went-on")) == 1
        assert len(await service.events("action.skipped")) == 2


async def _parked(service: Service) -> bool:
    return bool(await service.store.execute("ZCARD", service.store.keys("later")))


async def test_a_killed_dispatcher_leaves_no_run_of_a_replaced_firing(store_url: str) -> None:
    async with joined(store_url, Settings(lease=0.5), DEFINITIONS) as service:
        old = await fired(service, START, NOTE)
        new = await fired(service, NOTE, replaces=[old["firing"]])
        await service.send(old)
        with never_settling(store_url) as child:
            await until(lambda: _exists(service, old["firing"]))
            os.kill(child.pid, signal.SIGKILL)
            child.wait()
        with never_settling(store_url) as child:
            await service.send(new)
            await until(lambda: _is_cancelled(service, old["firing"]))
            os.kill(child.pid, signal.SIGKILL)
            child.wait()
        async with dispatching(store_url, Settings(lease=0.5)):
            await until(service.idle)
        assert [each for each, _ in await details(service, old["firing"])] == ["skipped", "skipped"]
        assert (await details(service, old["firing"]))[0][1].endswith("; it was begun before")
        assert [each for each, _ in await details(service, new["firing"])] == ["succeeded"]
        assert len(await service.events("flow-run.cancelled")) == 1
        assert len(await service.events("action.skipped")) == 2
        assert len(await service.events("it.went-on")) == 1


async def _exists(service: Service, firing: str) -> bool:
    key = service.store.keys("run", run_id(firing, 0))
    return bool(await service.store.execute("EXISTS", key))


async def _is_cancelled(service: Service, firing: str) -> bool:
    return await state(service, firing) == "Cancelled"
