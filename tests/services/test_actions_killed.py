"""A dispatcher that is killed between what an action does and its settling: done, and done once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.services.dispatching import EVENT, Service, entry, joined
from tests.waiting import until
from upshot.events.settings import Settings
from upshot.flows.runs.flowrun import new_run
from upshot.flows.runs.registry import Runs
from upshot.flows.states import State
from upshot.services.definitions.catalog import Catalog
from upshot.services.definitions.switching import switch

_PROGRAM = """
import asyncio, sys
from upshot.events.settings import Settings
from upshot.services.dispatcher import ledger, run

async def never(self, arguments):
    await asyncio.Event().wait()

if sys.argv[2] == "never settles":
    ledger.Ledger.settle = never
asyncio.run(run(Settings(lease=0.5), sys.argv[1]))
"""
_SWITCHED = {"deployment": "etl/nightly", "work-pool": "heavy", "automation": "storm"}
_DEFINITIONS: dict[str, dict[str, Any]] = {
    kind: {name: {"name": name, "entrypoint": "x.py:f"}} for kind, name in _SWITCHED.items()
}


@contextmanager
def process(store_url: str, how: str) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", _PROGRAM, store_url, how]) as child:
        try:
            yield child
        finally:
            child.kill()


async def _run(service: Service, state: str | None = None) -> str:
    runs = Runs(service.store)
    run = new_run("etl", state=State("Scheduled"), pool="default")
    await runs.create(run)
    if state:
        await runs.transition(await runs.get(run.id), State(state), own=False)
    return run.id


async def _on_runs(service: Service) -> dict[str, dict[str, Any]]:
    """Return actions on runs by the run that each one is on."""
    return {
        await _run(service): {"cancel-flow-run": {}},
        await _run(service): {"change-flow-run-state": {"state": "Crashed"}},
        await _run(service): {"pause-flow-run": {}},
        await _run(service, "Paused"): {"resume-flow-run": {}},
        await _run(service, "Failed"): {"retry-flow-run": {}},
    }


async def _versions(service: Service, runs: list[str]) -> dict[str, int]:
    """Return how often each thing that actions change was changed."""
    catalog = Catalog(service.store)
    found = {run.id: run.version for run in await Runs(service.store).many(runs)}
    for kind in (*_SWITCHED, "variable"):
        found |= {name: version for name, (version, _) in (await catalog.versions(kind)).items()}
    return found


async def _undo(service: Service, on_runs: dict[str, dict[str, Any]]) -> None:
    """Change everything again, as people might in the meantime."""
    runs, catalog = Runs(service.store), Catalog(service.store)
    for run_id, action in on_runs.items():
        kind = next(iter(action))
        if kind in ("cancel-flow-run", "change-flow-run-state"):
            await runs.retry(run_id)
        elif kind == "pause-flow-run":
            await runs.resume(run_id)
        elif kind == "resume-flow-run":
            await runs.pause(run_id)
        else:
            await runs.cancel(run_id)
    for kind, name in _SWITCHED.items():
        await switch(catalog, kind, name, False)
    await catalog.put("variable", "limit", {"name": "limit", "value": 2})


async def test_what_was_done_before_the_kill_is_not_done_again_after_it(store_url: str) -> None:
    async with joined(store_url, Settings(lease=0.5), _DEFINITIONS) as service:
        on_runs = await _on_runs(service)
        wanted = [
            entry(action, event={**EVENT, "resource": {"id": f"flow-run.{run_id}"}})
            for run_id, action in on_runs.items()
        ]
        wanted += [
            entry({f"pause-{kind}": {kind.replace("-", "_"): name}})
            for kind, name in _SWITCHED.items()
        ]
        wanted.append(entry({"set-variable": {"name": "limit", "value": 1}}))
        before = await _versions(service, list(on_runs))

        async def all_done() -> bool:
            now = await _versions(service, list(on_runs))
            return all(now[each] == before.get(each, 0) + 1 for each in now)

        with process(store_url, "never settles") as child:
            await service.send(*wanted)
            await until(all_done)
            os.kill(child.pid, signal.SIGKILL)
            child.wait()
        await _undo(service, on_runs)
        undone = await _versions(service, list(on_runs))
        with process(store_url, "settles"):
            await until(service.idle)
        assert await _versions(service, list(on_runs)) == undone
        for each in wanted:
            assert (await service.outcome(each["firing"]))["outcome"] == "succeeded"
        assert len(await service.events("action.succeeded")) == len(wanted)
        assert await service.letters() == []
