"""The archiver step by step: what it writes of the log, what that lets go, what it forgets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic_core import from_json, to_json

from tests.services.archived import (
    Steps,
    archived_positions,
    event,
    record_task,
    rows,
    steps,
)
from upshot.events.event import Event
from upshot.events.log import Log
from upshot.events.store import Store
from upshot.flows.runs.flowrun import FlowRun, new_run
from upshot.flows.runs.registry import Runs
from upshot.flows.states import State
from upshot.services.exceptions import HistoryMoved
from upshot.services.history.looking_up import Changed
from upshot.services.history.projection import Stretch
from upshot.services.history.writing import commit, forget


@pytest.fixture
async def by_hand(store: Store, tmp_path: Path) -> Any:
    async with steps(store, tmp_path) as made:
        yield made


async def test_events_are_written_as_the_log_has_them(by_hand: Steps, tmp_path: Path) -> None:
    log = Log(by_hand.store)
    await log.append([event(1), event(2, "order.paid", follows="e1", payload={"sum": 2})])
    await by_hand.store.call(
        "put", "variable", "x", "", "{}", event(3, "variable.created").to_json()
    )
    await by_hand.catch_up()
    columns = "id, name, occurred, resource, own, follows, body"
    found = rows(tmp_path, f"SELECT {columns} FROM events ORDER BY received, seq")
    assert [row[:2] for row in found] == [
        ("e1", "order.placed"),
        ("e2", "order.paid"),
        ("e3", "variable.created"),
    ]
    assert [row[4] for row in found] == [0, 0, 1]
    assert found[1][3:6] == ("order.2", 0, "e1")
    logged = await log.range()
    assert [from_json(row[6]) for row in found] == [each.body for each in logged]
    assert [row[2] for row in found] == [each.body["occurred"] for each in logged]
    assert archived_positions(tmp_path) == [each.position for each in logged]


async def test_what_no_index_takes_is_written_whole_in_the_body(
    by_hand: Steps, tmp_path: Path
) -> None:
    strange = "\x00" + "\U0001f9f0" * 1000
    await Log(by_hand.store).append([Event(event="a.b", resource={"id": strange})])
    await by_hand.catch_up()
    ((resource, body),) = rows(tmp_path, "SELECT resource, body FROM events")
    assert (len(resource), resource[0]) == (255, "\ufffd")
    assert from_json(body)["resource"]["id"] == strange


async def make_run(store: Store, *states: str, **given: Any) -> FlowRun:
    """Put a run through states in the store."""
    runs = Runs(store)
    run = new_run("etl", state=State("Scheduled"), pool="default", **given)
    await runs.create(run)
    run = await runs.get(run.id)
    for name in states:
        run = await runs.transition(run, State(name), own=name == "Running")
    return await runs.get(run.id)


async def test_runs_and_task_runs_are_written_as_they_are_shown(
    by_hand: Steps, tmp_path: Path
) -> None:
    store = by_hand.store
    run = await make_run(store, "Pending", "Running", deployment="etl/nightly", parameters={"n": 1})
    await record_task(store, run, "t1", "Running")
    await by_hand.catch_up()
    assert rows(tmp_path, "SELECT state, ended FROM flow_runs") == [("Running", 0)]
    await record_task(store, run, "t1", "Completed", batch=2)
    await Runs(store).transition(run, State("Failed", "no"), own=True)
    await by_hand.catch_up()
    run = await Runs(store).get(run.id)
    ((body, created, state, ended),) = rows(
        tmp_path, "SELECT body, created, state_name, ended FROM flow_runs"
    )
    assert from_json(body) == run.to_dict()
    assert created == await store.execute("ZSCORE", store.keys("runs"), run.id)
    assert (state, ended) == ("Failed", 1)
    ((task_body, of_run),) = rows(tmp_path, "SELECT body, flow_run FROM task_runs")
    assert [from_json(task_body)] == await Runs(store).tasks(run.id)
    assert of_run == run.id


async def test_a_firing_is_written_again_with_each_outcome(by_hand: Steps, tmp_path: Path) -> None:
    store = by_hand.store
    doc = {"id": "f1", "automation": "heal", "automation_id": "a1", "reason": "threshold_reached"}
    fired = event(1, "automation.fired", payload={"firing": "f1"}).to_json()
    await store.call("take_lease", "engine", "me", 60_000)
    commits = (
        1,
        "0-0",
        "1-0",
        "1-0",
        60_000,
        0,
        0,
        0,
        0,
        1,
        "f1",
        "a1",
        1,
        to_json(doc),
        "",
        1,
        fired,
    )
    await store.call("commit", *commits)
    await by_hand.catch_up()
    ((body,),) = rows(tmp_path, "SELECT body FROM firings")
    assert from_json(body) == {**doc, "outcomes": {}}
    done = event(2, "action.succeeded", payload={"firing": "f1"}).to_json()
    await store.call("settle", "", "f1", 0, to_json({"outcome": "succeeded"}), 1, done, 0)
    await by_hand.catch_up()
    ((body,),) = rows(tmp_path, "SELECT body FROM firings WHERE automation = 'heal'")
    assert from_json(body)["outcomes"] == {"0": {"outcome": "succeeded"}}


async def test_nobody_outside_can_make_a_run_in_the_archive(by_hand: Steps, tmp_path: Path) -> None:
    forged = Event(event="flow-run.completed", resource={"id": "flow-run.forged"})
    await Log(by_hand.store).append([forged])
    await by_hand.catch_up()
    assert rows(tmp_path, "SELECT id FROM flow_runs") == []


async def test_an_archiver_that_was_overtaken_writes_nothing(
    by_hand: Steps, tmp_path: Path
) -> None:
    old = await by_hand.archiver.open()
    await Log(by_hand.store).append([event(1)])
    await by_hand.catch_up()
    stretch = Stretch("9999999999999-0", events=[(9999999999999, 0, *"abcd", False, None, "{}")])
    with pytest.raises(HistoryMoved):
        await commit(by_hand.archiver.database, old, stretch, Changed([], [], []))
    assert len(archived_positions(tmp_path)) == 1


async def test_the_log_is_trimmed_behind_the_archive_only(by_hand: Steps, tmp_path: Path) -> None:
    store, log = by_hand.store, Log(by_hand.store)
    nodes = await store.execute("CONFIG", "GET", "stream-node-max-entries")
    await store.execute("CONFIG", "SET", "stream-node-max-entries", 10)
    try:
        await log.expect("archiver")
        await log.append(event(number) for number in range(100))
        assert await by_hand.trim() == 0
        await by_hand.catch_up()
        await log.expect("archiver")  # it has registered: this takes nothing back
        assert await by_hand.trim() >= 90
    finally:
        await store.execute("CONFIG", "SET", *next(iter(nodes.items())))
    assert len(archived_positions(tmp_path)) == 100


async def test_an_archiver_that_has_only_begun_holds_no_list_up(by_hand: Steps) -> None:
    log = Log(by_hand.store)
    await log.expect("archiver")
    assert await by_hand.archive.kept()
    assert await by_hand.archive.reader() is None  # its tables are not there yet
    await log.append([event(1)])
    await by_hand.catch_up()
    assert await by_hand.archive.reader() is not None


async def test_its_place_is_told_even_when_memory_is_short(by_hand: Steps) -> None:
    store = by_hand.store
    await Log(store).append([event(1)])
    await store.execute("CONFIG", "SET", "maxmemory", 1)
    try:
        await by_hand.catch_up()
    finally:
        await store.execute("CONFIG", "SET", "maxmemory", 0)
    at = await store.execute("HGET", store.keys("cursors"), "archiver")
    assert at.decode() == await Log(store).end()


async def test_runs_and_firings_stay_in_the_store_until_they_are_archived(by_hand: Steps) -> None:
    store = by_hand.store
    await by_hand.catch_up()
    run = await make_run(store, "Pending", "Running", "Failed")
    await store.execute("ZADD", store.keys("firings"), 1, "f1")
    far = 10**14
    now = int((await store.execute("TIME"))[0]) * 1000 + 1000
    assert await store.call("forget_runs", now, 100) == 0
    assert await store.call("forget_firings", now - 2000, 100) == 0
    await by_hand.catch_up()
    assert await store.call("forget_runs", far, 100) == 1
    assert await store.call("forget_firings", far, 100) == 1
    created = int(run.created and await newest_forgotten(store, "runs"))
    assert created > 1
    assert await newest_forgotten(store, "firings") == 1


async def newest_forgotten(store: Store, what: str) -> int:
    return int(await store.execute("HGET", store.keys("forgotten"), what))


async def test_what_is_past_its_time_goes_in_small_pieces(by_hand: Steps, tmp_path: Path) -> None:
    store = by_hand.store
    ended = await make_run(store, "Pending", "Running")
    for number in range(5):
        await record_task(store, ended, f"t{number}", "Completed", batch=number + 1)
    await Runs(store).transition(ended, State("Completed"), own=True)
    await make_run(store, "Pending", "Running")
    await by_hand.catch_up()
    before, held = 10**14, by_hand.archiver.database
    total = len(archived_positions(tmp_path))
    assert await forget(held, 0, 3) == 0
    dropped = 0
    while (count := await forget(held, before, 3)) > 0:
        assert count <= 7
        dropped += count
    assert dropped == total + 5 + 1
    assert rows(tmp_path, "SELECT state FROM flow_runs") == [("Running",)]
    assert rows(tmp_path, "SELECT id FROM task_runs") == []
