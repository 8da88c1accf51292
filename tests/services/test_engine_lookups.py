"""Look-ups of conditions are answered from what the store counts, quickly however much it has."""

from __future__ import annotations

import time
from typing import Any

import pytest
from pydantic_core import to_json

from upshot.automations.conditions.condition import Answers, ConditionExpression, Question, judge
from upshot.automations.conditions.lookups import Missing, Unanswerable
from upshot.automations.expressions.expression import Scope
from upshot.events.exceptions import StoreUnavailable
from upshot.events.ids import derived_id
from upshot.events.store import Argument, Store
from upshot.flows.runs.flowrun import new_run
from upshot.flows.runs.registry import Runs
from upshot.flows.states import State
from upshot.services.definitions.catalog import Catalog
from upshot.services.engine.lookups import Lookups

NOW = int(time.time() * 1000)


async def found(store: Store, source: str, at: int = NOW) -> Any:
    """Return what the one look-up of an expression finds."""
    (question,) = judge([ConditionExpression(f"{source} == null")], Scope({}), {}).missing
    return (await Lookups(store).answer([question], at))[question]


async def make_run(store: Store, *states: str, flow: str = "etl", **fields: Any) -> None:
    run = new_run(flow, state=State("Scheduled"), pool="p", **fields)
    await Runs(store).create(run)
    for state in states:
        run = await Runs(store).transition(run, State(state), own=False)


async def test_runs_are_counted_by_deployment_flow_and_state(store: Store) -> None:
    await make_run(store, "Running", deployment="etl/nightly")
    await make_run(store, "Pending", "Retrying", deployment="etl/nightly")
    await make_run(store, "Running", "Failed", deployment="etl/nightly")
    await make_run(store, "Running", "TimedOut", deployment="etl/hourly")
    await make_run(store, "Late", flow="load")
    counts = {
        "runs('deployment:etl/nightly')": 3,
        "runs('deployment:etl/nightly', state='Running')": 2,
        "runs('deployment:etl/nightly', state='Retrying')": 1,
        "runs('deployment:etl/nightly', state=['Running', 'Retrying'])": 2,
        "runs('flow:etl', state=['Failed', 'Crashed'])": 2,
        "runs('flow:etl', state='TimedOut')": 1,
        "runs('flow:etl')": 4,
        "runs('flow:load', state='Late')": 1,
        "runs('flow:load', state='Scheduled')": 1,
        "runs('*')": 5,
        "runs('*', state='Running')": 2,
        "runs('deployment:nothing')": 0,
    }
    assert {source: await found(store, source) for source in counts} == counts


async def test_since_counts_those_that_came_into_the_state_that_lately(store: Store) -> None:
    await make_run(store, "Running", "Failed", deployment="etl/nightly")
    source = "runs('deployment:etl/nightly', state='Failed', since='1h')"
    hour = 3_600_000
    entered = await store.execute(
        "ZRANGE", store.keys("runs", "Failed", "flow:etl"), 0, 0, "WITHSCORES"
    )
    at = int(entered[-1] if not isinstance(entered[-1], list) else entered[-1][1])
    assert await found(store, source, at + hour - 1) == 1
    assert await found(store, source, at + hour + 1) == 0


async def test_of_all_runs_only_types_of_states_are_counted(store: Store) -> None:
    assert "'Late' is none" in (await found(store, "runs('*', state='Late')")).why


async def test_a_variable_is_what_it_is_now(store: Store) -> None:
    assert isinstance(await found(store, "variable('limit')"), Missing)
    await Catalog(store).put("variable", "limit", {"name": "limit", "value": [1, {"a": None}]})
    assert await found(store, "variable('limit')") == [1, {"a": None}]
    big = {"name": "limit", "value": "x" * 100_000}
    await Catalog(store).put("variable", "limit", big)
    answer = await found(store, "variable('limit')")
    assert isinstance(answer, Unanswerable)
    assert not isinstance(answer, Missing)


async def test_an_automation_tells_whether_it_is_on_and_when_it_last_fired(store: Store) -> None:
    assert isinstance(await found(store, "automation('one')"), Missing)
    doc = {"name": "one", "trigger": {"expect": ["a"]}, "actions": [{"retry-flow-run": {}}]}
    await Catalog(store).put("automation", "one", doc)
    state = {"enabled": True, "paused": False, "shadow": False, "last_fired": None, "firings": 0}
    assert await found(store, "automation('one')") == state
    await Catalog(store).put("automation", "one", {**doc, "paused": True})
    identity = derived_id("automation", "one")
    fired: list[Argument] = [identity, 1234, f"{identity}:n", 3]
    await store.execute("HSET", store.keys("engine", "fired"), *fired)
    later = {"paused": True, "last_fired": 1234, "firings": 3}
    assert await found(store, "automation('one')") == {**state, **later}


async def test_many_questions_take_one_call(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    pipeline = store.pipeline

    async def counted(commands: Any) -> list[Any]:
        calls.append(len(commands))
        return await pipeline(commands)

    monkeypatch.setattr(store, "pipeline", counted)
    questions = [Question("variable", (f"v{n}",)) for n in range(10)]
    answers: Answers = await Lookups(store).answer(questions, NOW)
    assert list(answers) == questions
    assert calls == [10]


async def test_a_store_that_is_away_is_told_as_such(store: Store) -> None:
    away = Store("redis://127.0.0.1:1/0")
    try:
        with pytest.raises(StoreUnavailable):
            await Lookups(away).answer([Question("variable", ("x",))], NOW)
    finally:
        await away.close()


async def test_counting_does_not_look_at_the_runs(store: Store) -> None:
    """A hundred thousand of them are counted by as many commands as none."""
    members = [part for n in range(100_000) for part in (n, f"r{n}")]
    for first in range(0, len(members), 20_000):
        key = store.keys("runs", "Completed", "flow:etl")
        await store.execute("ZADD", key, *members[first : first + 20_000])
    await store.execute("CONFIG", "RESETSTAT")
    assert (
        await found(store, "runs('flow:etl', state='Completed', since='1h')", 3_650_000) == 50_000
    )
    stats = await store.execute("INFO", "commandstats")
    told = stats.decode() if isinstance(stats, bytes) else to_json(stats).decode()
    assert "zcount" in told
    assert "hgetall" not in told


async def test_what_was_asked_is_known_until_the_next_reading(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline, calls = store.pipeline, list[int]()

    async def counted(commands: Any) -> Any:
        calls.append(len(commands))
        return await pipeline(commands)

    monkeypatch.setattr(store, "pipeline", counted)
    asked = [Question("runs", ("*", None, None)), Question("runs", ("*", None, 5000))]
    lookups = Lookups(store)
    assert list((await lookups.answer(asked, NOW)).values()) == [0, 0]
    await lookups.answer(asked, NOW)
    assert len(calls) == 1
    await lookups.answer(asked, NOW + 1)  # what counts back does so from another moment
    assert len(calls) == 2
    assert calls[1] < calls[0]
    await make_run(store)
    lookups.forget()
    found = await lookups.answer(asked, NOW)
    assert found[asked[0]] == 1
