"""What is listed, shown and searched, wherever it is: in the store or in the archive."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pydantic_core import to_json

from tests.services.api_served import Api, served
from tests.services.archived import (
    Steps,
    event,
    logged_positions,
    record_task,
    rows,
    steps,
)
from upshot.events.event import Event
from upshot.events.log import Log
from upshot.events.places import Place, newest_first
from upshot.events.store import Store
from upshot.flows.runs.flowrun import new_run
from upshot.flows.runs.registry import Runs
from upshot.flows.states import State
from upshot.services.history import events as history
from upshot.services.history.address import SQLITE
from upshot.services.history.filters import EventFilter

from .pasts import FAR, RunsOfAll, workshop

ANY = EventFilter.of(None, None)


async def append(shop: Steps, count: int) -> None:
    await Log(shop.store).append(event(number) for number in range(count))


@pytest.fixture
async def shop(store_url: str) -> AsyncIterator[Steps]:
    async with workshop(store_url) as made:
        yield made


@asynccontextmanager
async def api_of(shop: Steps) -> AsyncIterator[Api]:
    url = shop.url.replace("+aiosqlite", "")
    async with served(shop.store.url, database_url=url) as api:
        yield api


async def test_an_event_is_listed_at_once_and_for_as_long_as_it_is_kept(shop: Steps) -> None:
    async with api_of(shop) as api:
        await append(shop, 10)
        before = (await api.get("/api/v1/events"))["items"]
        assert len(before) == 10
        await shop.catch_up()
        assert await shop.trim() > 5
        assert (await api.get("/api/v1/events"))["items"] == before
        one = (await api.get("/api/v1/events", params={"resource": "order.3"}))["items"]
        assert [each["id"] for each in one] == ["e3"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"event": "order.*"}, ["e2", "e1"]),
        ({"event": "order.paid"}, ["e2"]),
        ({"event": "order.p[a]*,user.*"}, ["e4", "e2"]),
        ({"event": "*.placed,user.left"}, ["e4", "e1"]),
        ({"resource": "order.4"}, ["e4"]),
        ({"resource": "o*.1", "event": "order.placed"}, ["e1"]),
        ({"event": "nothing"}, []),
    ],
)
async def test_the_archive_is_searched_as_the_log_is(
    shop: Steps, query: dict[str, str], expected: list[str]
) -> None:
    names = {1: "order.placed", 2: "order.paid", 3: "ord.x", 4: "user.left"}
    await Log(shop.store).append(event(number, name) for number, name in names.items())
    wanted = EventFilter.of(query.get("event"), query.get("resource"))
    live, _ = await history.search(shop.store, None, wanted)
    await shop.catch_up()
    await shop.store.execute("XTRIM", shop.store.keys("log"), "MAXLEN", 0)
    archived, _ = await history.search(shop.store, shop.archive, wanted)
    assert [each.id for each in live] == [each.id for each in archived] == expected


async def test_what_is_rare_in_a_long_log_is_found_by_the_index_of_the_archive(
    shop: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "_SOON", 100)
    monkeypatch.setattr(history, "_MOST_SCANNED", 1_000)
    rare = [Event(id=f"r{n}", event="rare", resource={"id": "order.rare"}) for n in range(3)]
    await Log(shop.store).append([rare[0]])
    await append(shop, 900)
    await Log(shop.store).append([rare[1]])
    await append_more(shop, 300)
    await shop.catch_up()
    await Log(shop.store).append([rare[2]])
    await append_more(shop, 150)
    for wanted in (EventFilter.of(None, "order.rare"), EventFilter.of("rare", None)):
        found, following = await history.search(shop.store, shop.archive, wanted)
        assert [each.body["id"] for each in found] == ["r2", "r1", "r0"]
        assert following is None
        first, following = await history.search(shop.store, shop.archive, wanted, limit=2)
        assert [each.body["id"] for each in first] == ["r2", "r1"]
        rest, _ = await history.search(shop.store, shop.archive, wanted, before=following)
        assert [each.body["id"] for each in rest] == ["r0"]


async def append_more(shop: Steps, count: int) -> None:
    made = [Event(event="common", resource={"id": f"order.{n % 7}"}) for n in range(count)]
    await Log(shop.store).append(made)


async def test_times_bound_a_list_on_both_sides_of_the_seam(shop: Steps) -> None:
    log = Log(shop.store)
    for number in range(6):
        await log.append([event(number)])
        await asyncio.sleep(0.003)
    times = [int(each.partition("-")[0]) for each in await logged_positions(shop.store)]
    await shop.catch_up()
    await log.register("engine", await log.end())
    await log.trim(0, 3)
    for since, until in ((1, 4), (4, 5), (0, 2)):
        found, following = await history.search(
            shop.store, shop.archive, ANY, since=times[since], until=times[until]
        )
        assert [each.id for each in reversed(found)] == [f"e{n}" for n in range(since, until + 1)]
        assert following is None
        seen = [
            each.id
            async for batch in history.oldest_first(
                shop.store, shop.archive, since=times[since], until=times[until]
            )
            for each in batch
        ]
        assert seen == [f"e{n}" for n in range(since, until + 1)]


async def test_where_nobody_archives_a_list_ends_with_the_log(store: Store, tmp_path: Path) -> None:
    async with steps(store, tmp_path) as made:
        await append(made, 3)
        await store.execute("XTRIM", store.keys("log"), "MAXLEN", 1)
        found, following = await history.search(store, made.archive, ANY)
    assert ([each.id for each in found], following) == (["e2"], None)


async def test_an_archive_that_is_out_of_reach_is_said_to_be(shop: Steps) -> None:
    async with served(shop.store.url) as api:
        await append(shop, 5)
        await api.get("/api/v1/events")  # all of it is in the log: nobody else is asked
        await shop.catch_up()
        await shop.trim()
        problem = await api.get("/api/v1/events", 503)
    assert problem["type"].endswith("history-unavailable")
    assert "/nonexistent/history.db" in problem["detail"]


async def test_a_run_that_only_the_archive_has_is_shown_but_changes_no_more(shop: Steps) -> None:
    world = RunsOfAll(shop)
    await world.do([("new", 3)])
    async with api_of(shop) as api:
        before = (await api.get("/api/v1/runs"))["items"]
        failed = next(each for each in before if each["state"]["type"] == "Failed")
        await shop.catch_up()
        assert await shop.store.call("forget_runs", FAR, 10) == 2
        assert (await api.get("/api/v1/runs"))["items"] == before
        assert len((await api.get("/api/v1/runs", params={"state": "Failed"}))["items"]) == 2
        assert len((await api.get("/api/v1/runs", params={"state": "Running"}))["items"]) == 1
        assert (await api.get("/api/v1/runs", params={"flow": "other"}))["items"] == []
        for name in (failed["id"], failed["name"]):
            assert await api.get(f"/api/v1/runs/{name}") == {**failed, "waits_for": None}
            assert "archive" in (await api.post(f"/api/v1/runs/{name}/retry", 409))["detail"]
        assert (await api.get(f"/api/v1/runs/{failed['id']}/logs"))["items"] == []
        await api.get("/api/v1/runs/nobody", 404)


async def test_archived_runs_are_listed_by_flow_parent_and_state(shop: Steps) -> None:
    runs = Runs(shop.store)
    whole = new_run("whole", state=State("Running"), name="w")
    states = ("Completed", "TimedOut", "Failed")
    parts = [new_run("part", state=State(name), parent=whole.id) for name in states]
    for run in (whole, *parts):
        await runs.create(run)
    async with api_of(shop) as api:
        await shop.catch_up()
        assert await shop.store.call("forget_runs", FAR, 10) == 3

        async def listed(**query: str) -> set[str]:
            found = (await api.get("/api/v1/runs", params=query))["items"]
            return {each["state"]["name"] for each in found}

        assert await listed(parent="w") == await listed(flow="part") == set(states)
        assert await listed(parent=whole.id, state="TimedOut") == {"TimedOut"}
        assert await listed(flow="part", state="Failed") == {"TimedOut", "Failed"}
        assert await listed(flow="whole") == {"Running"}


async def test_task_runs_outlive_the_store(shop: Steps) -> None:
    world = RunsOfAll(shop)
    for number in range(3):
        run = await world.make("Running")
        await record_task(shop.store, run, f"t{number}a", "Completed")
        await record_task(shop.store, run, f"t{number}b", "Failed", batch=2)
        await world.runs.transition(run, State("Completed"), own=True)
    async with api_of(shop) as api:
        path = "/api/v1/task-runs"
        before = (await api.get(path))["items"]
        assert len(before) == 6
        await shop.catch_up()
        assert await shop.store.call("forget_runs", FAR, 2) == 2
        assert (await api.get(path))["items"] == before
        first = await api.get(path, params={"limit": 3})
        rest = await api.get(path, params={"limit": 10, "cursor": first["next"]})
        assert first["items"] + rest["items"] == before
        of_one = await api.get(path, params={"run": world.made[0], "state": "Failed"})
        assert [each["id"] for each in of_one["items"]] == ["t0b"]


async def test_firings_outlive_the_store(shop: Steps) -> None:
    store = shop.store
    for number in range(6):
        doc = {"id": f"f{number}", "automation": "heal", "automation_id": "a", "at": number}
        key = store.keys("firing", f"f{number}")
        await store.execute("HSET", key, "doc", to_json(doc), "0", '{"outcome":"succeeded"}')
        await store.execute("ZADD", store.keys("firings"), number // 2, f"f{number}")
        told = event(number, "automation.fired", payload={"firing": f"f{number}"}).to_json()
        await store.call("put", "variable", "x", "", "{}", told)
    async with api_of(shop) as api:
        path = "/api/v1/firings"
        before = (await api.get(path))["items"]
        assert [each["id"] for each in before] == ["f5", "f4", "f3", "f2", "f1", "f0"]
        await shop.catch_up()
        assert await store.call("forget_firings", FAR, 3) == 3
        assert (await api.get(path))["items"] == before
        assert (await api.get(path, params={"automation": "a"}))["items"] == before
        assert (await api.get(path, params={"automation": "b"}))["items"] == []
        first = await api.get(path, params={"limit": 4})
        rest = await api.get(path, params={"limit": 4, "cursor": first["next"]})
        assert first["items"] + rest["items"] == before
        assert await api.get(f"{path}/f0") == before[-1]
        await api.get(f"{path}/f9", 404)


async def test_archived_events_are_found_by_id_by_cause_and_by_place(shop: Steps) -> None:
    log = Log(shop.store)
    await log.append([event(1), event(2, follows="e1"), event(3, follows="e1"), event(4)])
    positions = await logged_positions(shop.store)
    await shop.catch_up()
    reader = await shop.archive.reader()
    assert reader is not None
    assert [each.id for each in await reader.events_of_ids(["e4", "e1", "e9"])] == ["e1", "e4"]
    assert [each.id for each in await reader.events_following(["e1"])] == ["e2", "e3"]
    found = await history.fetch(shop.archive, [positions[2], "5-5", positions[0]])
    assert [each.position for each in found] == [positions[0], positions[2]]


def test_a_place_is_read_as_it_is_written() -> None:
    for place in (Place(0, "a"), Place(1763622000123, "0193-ab-7")):
        assert Place.parse(str(place)) == place
    for wrong in ("", "12", "12-", "-a", "x-a", "٣-a"):
        with pytest.raises(ValueError, match="cursor"):
            Place.parse(wrong)


async def test_members_of_one_moment_page_by_their_ids(store: Store) -> None:
    ids = [f"f{number:03d}" for number in range(450)]
    key = store.keys("firings")
    await store.execute("ZADD", key, *(part for each in ids for part in (7, each)))
    pages = [page async for page in newest_first(store, key, before=Place(7, "f440"))]
    assert [place.id for page in pages for place in page] == ids[439::-1]


async def test_the_query_of_the_docs_works(shop: Steps) -> None:
    page = (Path(__file__).parents[2] / "docs" / "history.md").read_text()
    query = page.partition("```sql\n")[2].partition("```")[0]
    await append(shop, 15)
    await shop.catch_up()
    assert rows(Path(shop.url.removeprefix(SQLITE)).parent, query)[0] == ("order.0", 3)
