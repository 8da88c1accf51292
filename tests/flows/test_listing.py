"""Lists of runs: each shows what a look at every run would have shown, in the same order."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from upshot.events.places import Place
from upshot.events.store import Store
from upshot.flows.runs import listing
from upshot.flows.runs.flowrun import FlowRun, new_run
from upshot.flows.runs.listing import RunFilter
from upshot.flows.runs.registry import Runs
from upshot.flows.states import State

STATES: Final = ("Scheduled", "Late", "Running", "Completed", "Failed", "TimedOut")
FLOWS: Final = ("etl", "load")
DEPLOYMENTS: Final = (None, "etl/nightly", "load/hourly")


@pytest.fixture
async def made(store: Store) -> list[FlowRun]:
    """Return runs of each kind, in the order in which they were made."""
    runs, found = Runs(store), list[FlowRun]()
    for number in range(60):
        run = new_run(
            FLOWS[number % 7 == 0],
            state=State(STATES[number % 5 if number < 30 else 5]),
            deployment=DEPLOYMENTS[number % 3],
            parent=found[0].id if number % 4 == 1 else None,
        )
        await runs.create(run, due_ms=4_000_000_000_000)
        found.append(run)
    return found


WANTED = st.builds(
    RunFilter,
    flow=st.sampled_from([None, *FLOWS, "other"]),
    deployment=st.sampled_from([*DEPLOYMENTS, "other/x"]),
    state=st.sampled_from([None, *STATES, "Crashed"]),
    parent=st.sampled_from([None, "first", "none"]),
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(wanted=WANTED, limit=st.integers(1, 25), few=st.sampled_from([0, 1000]))
async def test_a_list_pages_through_just_the_runs_that_are_wanted(
    store: Store, made: list[FlowRun], wanted: RunFilter, limit: int, few: int
) -> None:
    parent = made[0].id if wanted.parent == "first" else wanted.parent
    wanted = RunFilter(wanted.flow, wanted.deployment, wanted.state, parent=parent)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listing, "_FEW", few)
        patch.setattr(listing, "_AT_ONCE", 7)
        found = await _all(Runs(store), wanted, limit)
    ages = await store.execute("ZRANGE", store.keys("runs"), 0, -1)
    by_id = {run.id: run for run in made}
    every = [by_id[each.decode()] for each in reversed(ages)]
    assert found == [run.id for run in every if wanted.matches(run)]


async def _all(runs: Runs, wanted: RunFilter, limit: int) -> list[str]:
    found: list[str] = []
    before: Place | None = None
    while True:
        page, before = await runs.list(wanted, limit=limit, before=before)
        found += [run.id for run in page]
        if before is None:
            return found


async def test_bounds_in_time_hold_for_each_way_of_finding(
    store: Store, made: list[FlowRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = Runs(store)
    every = {place.id: place.ms async for place in _placed(runs, RunFilter())}
    middle = sorted(every.values())[len(every) // 2]
    for few in (0, 1000):
        monkeypatch.setattr(listing, "_FEW", few)
        for wanted in (
            RunFilter(flow="etl", state="TimedOut", since=middle),
            RunFilter(flow="etl", state="TimedOut", until=middle),
        ):
            found = [place async for place in _placed(runs, wanted)]
            assert found == [
                Place(every[run.id], run.id)
                for run in sorted(made, key=lambda run: (every[run.id], run.id), reverse=True)
                if wanted.matches(run)
                and (every[run.id] >= middle if wanted.since else every[run.id] <= middle)
            ]
            assert found


async def _placed(runs: Runs, wanted: RunFilter) -> AsyncIterator[Place]:
    async for place, _ in runs.newest(wanted):
        yield place


async def test_a_list_of_few_runs_reads_only_these(
    store: Store, made: list[FlowRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    many = Runs.many

    async def counted(self: Runs, ids: list[str]) -> list[FlowRun]:
        read.extend(ids)
        return await many(self, ids)

    monkeypatch.setattr(Runs, "many", counted)
    found, _ = await Runs(store).list(RunFilter(flow="load", state="Late"))
    assert len(found) == len(read) == 1


@pytest.mark.parametrize("name", ["otter", "otter\x00", "öttér", "a:b/c", "\U0001f9f0"])
async def test_the_newest_run_of_a_name_is_found(store: Store, name: str) -> None:
    runs = Runs(store)
    made = []
    for each in (name, name, f"{name}2", name[:-1], f"{name}\x00x"):
        run = new_run("etl", state=State("Completed"), name=each)
        await runs.create(run)
        made.append(run.id)
    ages = await store.execute("ZMSCORE", store.keys("runs"), *made[:2])  # may be one moment
    assert (await runs.find(name)).id == max(zip(ages, made, strict=False))[1]
