"""Mode restart from the rule to the runs: engine and dispatcher stop what is replaced."""

from __future__ import annotations

from typing import Any

from tests.services.dispatching import Service, call, dispatching, receiving
from tests.services.engines import engine, event
from tests.waiting import until
from upshot.events.log import Log
from upshot.flows.runs.registry import RunFilter, Runs

DEPLOYMENT = {"etl/nightly": {"name": "etl/nightly", "entrypoint": "x.py:f"}}


def rule(url: str) -> dict[str, Any]:
    return {
        "name": "latest",
        "trigger": {"type": "event", "expect": ["tick"]},
        "control": {"mode": "restart"},
        "actions": [
            {"run-deployment": {"deployment": "etl/nightly"}},
            call(url + "/hang", timeout="1m"),
            {"emit-event": {"event": "it.ended"}},
        ],
    }


async def states(service: Service) -> list[str]:
    runs, _ = await Runs(service.store).list(RunFilter())
    return [run.state.name for run in runs]


async def test_a_later_firing_stops_the_earlier_one_and_its_run(store_url: str) -> None:
    async with receiving() as receiver:
        definitions = {"deployment": DEPLOYMENT, "automation": {"latest": rule(receiver.url)}}
        async with (
            dispatching(store_url, definitions=definitions) as service,
            engine(service.store),
        ):
            log = Log(service.store)

            async def called(times: int) -> bool:
                return len(receiver.got) == times

            for times in range(1, 4):
                await log.append([event()])
                await until(lambda times=times: called(times))  # type: ignore[misc]
            assert await states(service) == ["Scheduled", "Cancelled", "Cancelled"]
            receiver.held.set()
            await until(service.idle)
            assert len(await service.events("it.ended")) == 1
            skipped = await service.events("action.skipped")
            assert len(skipped) == 2
            assert all("replaced by firing" in each["payload"]["detail"] for each in skipped)
