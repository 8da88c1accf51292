"""The registry of runs, on the real store."""

from __future__ import annotations

from dataclasses import replace

import pytest

from upshot.events.event import Causation
from upshot.events.exceptions import Conflict, IllegalTransition, NotFound
from upshot.events.store import Store
from upshot.flows.exceptions import NotRetryable
from upshot.flows.runs.flowrun import FlowRun, new_run
from upshot.flows.runs.registry import RunFilter, Runs
from upshot.flows.states import State, StateType


def scheduled(flow: str = "etl", name: str | None = None) -> FlowRun:
    return new_run(flow, state=State("Scheduled"), pool="default", name=name)


async def test_a_transition_returns_the_run_as_the_store_has_it(store: Store) -> None:
    runs = Runs(store)
    run = scheduled()
    await runs.create(run)
    run = await runs.transition(run, State("Pending"), own=False)
    run = await runs.transition(run, State("Running"), own=True, started=True)
    run = await runs.transition(run, State("Failed", "no luck"), own=True)
    assert run == await runs.get(run.id)
    assert (run.attempt, run.state.name, bool(run.started), bool(run.ended)) == (
        1,
        "Failed",
        True,
        True,
    )


async def test_a_run_is_created_once_for_its_id(store: Store) -> None:
    runs, run = Runs(store), scheduled()
    assert await runs.create(run)
    assert not await runs.create(run)


async def test_a_run_that_changed_meanwhile_is_a_conflict(store: Store) -> None:
    runs, run = Runs(store), scheduled()
    await runs.create(run)
    await runs.transition(run, State("Pending"), own=False)
    with pytest.raises(Conflict):
        await runs.transition(run, State("Cancelled"), own=False)


async def test_only_an_ended_run_that_did_not_complete_is_retried(store: Store) -> None:
    runs, run = Runs(store), scheduled()
    await runs.create(run)
    with pytest.raises(NotRetryable, match="Scheduled"):
        await runs.retry(run.id)
    await runs.transition(run, State("Failed"), own=False)
    assert (await runs.retry(run.id, "once more")).state.name == "AwaitingRetry"


async def test_cancelling_a_waiting_run_ends_it_at_once(store: Store) -> None:
    runs, run = Runs(store), scheduled()
    await runs.create(run)
    assert (await runs.cancel(run.id)).state.type is StateType.CANCELLED


async def test_a_list_is_newest_first_filtered_and_paged(store: Store) -> None:
    runs = Runs(store)
    made = [scheduled("etl" if index % 2 else "report") for index in range(6)]
    for run in made:
        await runs.create(run)
    page, cursor = await runs.list(RunFilter(flow="etl"), limit=2)
    rest, end = await runs.list(RunFilter(flow="etl"), limit=2, before=cursor)
    listed = [run.id for run in (*page, *rest)]
    assert sorted(listed) == sorted(run.id for run in made if run.flow == "etl")
    assert end is None


async def test_a_run_is_found_by_its_name(store: Store) -> None:
    runs, run = Runs(store), scheduled(name="brisk-otter")
    await runs.create(run)
    assert (await runs.find("brisk-otter")).id == run.id
    with pytest.raises(NotFound, match="no-such"):
        await runs.find("no-such")


@pytest.mark.parametrize("name", ["brisk-otter", 'ein "Bär"\\\n', "\u202e/%"])
async def test_the_newest_run_of_a_name_is_found_among_hundreds(store: Store, name: str) -> None:
    runs = Runs(store)
    for run in (scheduled(name=name), newest := scheduled(name=name)):
        await runs.create(run)
    for number in range(250):
        other = scheduled(name=f"{name}-{number}")
        await runs.create(replace(other, parameters={"name": name}))
    assert (await runs.find(name)).id == newest.id
    with pytest.raises(NotFound):
        await runs.find(name[:-1])


CAUSE = ("triggered-1", Causation().passing("e1", "auto-1"))


async def test_a_cause_changes_a_run_once_whatever_became_of_it_since(store: Store) -> None:
    runs, run = Runs(store), scheduled()
    await runs.create(run)
    cancelled = await runs.cancel(run.id, cause=CAUSE)
    assert (cancelled.state.name, cancelled.caused_by) == ("Cancelled", "triggered-1")
    assert cancelled == await runs.get(run.id)
    other = ("triggered-2", CAUSE[1])
    assert (await runs.retry(run.id, cause=other)).state.name == "AwaitingRetry"
    for again in (runs.cancel(run.id, cause=CAUSE), runs.change(run.id, State("Failed"), CAUSE)):
        assert (await again).state.name == "AwaitingRetry"


async def test_a_run_is_put_into_a_state_as_far_as_the_rules_let_it(store: Store) -> None:
    runs, run = Runs(store), scheduled()
    await runs.create(run)
    failed = await runs.change(run.id, State("Failed", "given up"))
    assert (await runs.change(run.id, State("Failed", "again"))).version == failed.version
    with pytest.raises(IllegalTransition, match="can not become Completed"):
        await runs.change(run.id, State("Completed"))
    by_hand = new_run("etl", state=State("Running"))
    await runs.create(by_hand)
    with pytest.raises(NotRetryable, match="by hand"):
        await runs.change(by_hand.id, State("Scheduled"))
