"""Conditions from end to end: the engine looks things up, and the API tells with what."""

from __future__ import annotations

from typing import Any

import pytest

from tests.services.api_served import Api
from tests.services.engines import (
    automation,
    defined,
    engine,
    event,
    firings,
    names,
    place,
    settled,
)
from tests.waiting import until
from upshot.events.exceptions import StoreUnavailable
from upshot.events.log import Log
from upshot.events.store import Store
from upshot.flows.runs.flowrun import new_run
from upshot.flows.runs.registry import Runs
from upshot.flows.states import State
from upshot.services.definitions.catalog import Catalog
from upshot.services.definitions.planning import Verb
from upshot.services.engine.lookups import Lookups

IDLE = "runs('deployment:etl/nightly', state='Running') == 0"


def rule(*conditions: str) -> dict[str, Any]:
    return {**automation("one"), "conditions": list(conditions)}


async def busy(store: Store) -> None:
    run = new_run("etl", state=State("Running"), deployment="etl/nightly")
    await Runs(store).create(run)


async def suppressions(store: Store) -> list[dict[str, Any]]:
    found = await Log(store).range(limit=10_000)
    return [each.payload for each in found if each.name == "automation.suppressed"]


async def test_a_condition_decides_by_what_the_store_has_at_the_moment(store: Store) -> None:
    await place(store, 1_000, defined(rule(IDLE), "one", Verb.CREATED, 1), own=True)
    await place(store, 2_000, event(identity="e1"))
    async with engine(store):
        await until(lambda: _fired(store, 1))
        await busy(store)
        await Log(store).append([event(identity="e2")])
        await settled(store)
    (firing,) = await firings(store)
    assert firing["conditions"][0]["holds"] is True
    assert firing["conditions"][0]["lookups"] == [{"lookup": IDLE[:-5], "value": 0}]
    (told,) = await suppressions(store)
    assert told["reason"] == "condition_false"


async def _fired(store: Store, count: int) -> bool:
    return len(await firings(store)) == count


async def test_a_bad_look_up_suppresses_that_automation_alone(store: Store) -> None:
    bad = {**rule("runs(event.payload.of) == 0"), "name": "bad"}
    await place(store, 1_000, defined(bad, "bad", Verb.CREATED, 1), own=True)
    await place(store, 1_001, defined(rule(IDLE), "one", Verb.CREATED, 1), own=True)
    await place(store, 2_000, event(payload={"of": "nothing"}))
    async with engine(store):
        await settled(store)
    assert [each["automation"] for each in await firings(store)] == ["one"]
    (told,) = await suppressions(store)
    assert told["reason"] == "condition_error"
    assert "the selector is" in told["message"]


async def test_an_engine_that_can_not_look_up_tries_again_and_drops_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer, failures = Lookups.answer, iter([True, True, False])

    async def failing(self: Lookups, *asked: Any) -> Any:
        if next(failures, False):
            raise StoreUnavailable("away for a moment")
        return await answer(self, *asked)

    monkeypatch.setattr(Lookups, "answer", failing)
    await place(store, 1_000, defined(rule(IDLE), "one", Verb.CREATED, 1), own=True)
    await place(store, 2_000, event(), event())
    async with engine(store):
        await settled(store)
    assert len(await firings(store)) == 2
    assert (await names(store)).count("automation.fired") == 2


async def test_a_condition_may_depend_on_its_own_last_firing(store: Store) -> None:
    own = "automation(automation.name).last_fired"
    waits = f"{own} == null || firing.at - {own} >= 1000"
    await place(store, 1_000, defined(rule(waits), "one", Verb.CREATED, 1), own=True)
    await Catalog(store).put("automation", "one", rule(waits))
    async with engine(store):
        for at in (2_000_000_000_000, 2_000_000_000_500, 2_000_000_001_000):
            await place(store, at, event())
            await settled(store)
    assert [each["at"] for each in await firings(store)] == [2_000_000_000_000, 2_000_000_001_000]


async def test_a_backtest_looks_up_what_there_is_now_and_says_so(api: Api) -> None:
    await api.post("/api/v1/events", 202, json=[{"event": "tick", "resource": {"id": "x"}}] * 3)
    await api.post("/api/v1/apply", json={"variables": [{"name": "limit", "value": 2}]})
    path = "/api/v1/automations/backtest"
    found = await api.post(path, json={"automation": rule(IDLE, "variable('limit') == 2")})
    assert (found["counts"]["firings"], found["lookups"]) == (3, "as of now")
    await busy(api.store)
    found = await api.post(path, json={"automation": rule(IDLE)})
    assert found["counts"] == {"firings": 0, "condition_false": 3}
    found = await api.post(path, json={"automation": rule("event.id != ''")})
    assert found["counts"]["firings"] == 3
    assert "lookups" not in found


async def test_an_explanation_looks_up_what_there_is_now_and_says_so(api: Api) -> None:
    ask = {"automation": rule(IDLE), "event": {"event": "tick", "resource": {"id": "x"}}}
    found = await api.post("/api/v1/automations/explain", json=ask)
    assert (found["fired"], found["lookups"]) == (True, "as of now")
    await busy(api.store)
    found = await api.post("/api/v1/automations/explain", json=ask)
    assert (found["fired"], found["reason"]) == (False, "condition_false")


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("runs('deploment:x') == 0", "did you mean 'deployment'"),
        ("runs('*', state='Runing') == 0", "did you mean 'Running'"),
        ("true &&\n  runs('*', stat='Running') == 0", "at 2:13: runs: unknown argument 'stat'"),
    ],
)
async def test_a_wrong_condition_is_refused_where_it_stands(
    api: Api, condition: str, message: str
) -> None:
    found = await api.post("/api/v1/automations", 422, json=rule(condition))
    (error,) = found["errors"]
    assert error["field"] == "conditions.0"
    assert message in error["message"]
