"""The functions of flows' data: artifacts and assets, each change once and with its event."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic_core import from_json, to_json

from upshot.events.exceptions import StaleEpoch
from upshot.events.store import Store

PUT = ("artifact", '{"id":"a1","key":"k","update":false}', '{"type":"markdown"}', "null", '"one"')


@pytest.fixture
async def run(store: Store) -> str:
    told = '{"event":"flow-run.running"}'
    await store.call("create_run", "r1", "Running", "p", 0, 60_000, "e1", told, "state", "Running")
    return "r1"


async def record(store: Store, run: str, batch: int, *said: tuple[str, ...]) -> int:
    """Write what a flow process says: kind and lines each; its event names the kind."""
    arguments: list[str] = []
    for kind, *lines in said:
        event = '{"event":"artifact.created"}' if kind == "artifact" else f'{{"event":"{kind}.x"}}'
        arguments += ["", kind, "\n".join(lines), event]
    return int(await store.call("record_tasks", run, 1, batch, *arguments))


async def events(store: Store, kind: str) -> list[str]:
    entries = await store.execute("XRANGE", store.keys("log"), "-", "+")
    names = [from_json(body)["event"] for _, (_, body) in entries]
    return [name for name in names if name.startswith(kind)]


async def fields(store: Store, *key: str) -> dict[str, Any]:
    stored = await store.execute("HGETALL", store.keys(*key))
    return {name.decode(): value for name, value in stored.items()}


async def test_a_batch_that_is_sent_again_makes_nothing_twice(store: Store, run: str) -> None:
    made = ("asset", '{"key":"t","what":"materialized","upstream":["u"]}', "null", "{}")
    assert await record(store, run, 1, PUT, made) == 2
    assert await record(store, run, 1, PUT, made) == 0
    assert (await fields(store, "asset", "t"))["version"] == b"1"
    assert await events(store, "artifact") == ["artifact.created"]
    assert await events(store, "asset") == ["asset.x"]


async def test_the_same_artifact_again_changes_nothing_and_other_data_updates_it(
    store: Store, run: str
) -> None:
    await record(store, run, 1, PUT)
    await record(store, run, 2, PUT)
    assert await events(store, "artifact") == ["artifact.created"]
    await record(store, run, 3, (*PUT[:4], '"two"'))
    assert await events(store, "artifact") == ["artifact.created", "artifact.updated"]
    kept = await fields(store, "artifact", "a1")
    assert (kept["data"], kept["version"]) == (b'"two"', b"1")


async def test_a_process_that_lost_its_run_can_say_nothing(store: Store, run: str) -> None:
    with pytest.raises(StaleEpoch):
        await store.call("record_tasks", run, 7, 1, "", "artifact", "\n".join(PUT[1:]), "{}")
    assert not await store.execute("EXISTS", store.keys("artifacts"))


async def test_a_reference_makes_an_asset_known_and_no_more(store: Store, run: str) -> None:
    made = ("asset", '{"key":"t","what":"materialized","upstream":[]}', "null", "{}")
    named = ("asset", '{"key":"t","what":"referenced","upstream":[]}', '{"name":"T"}', "{}")
    await record(store, run, 1, made)
    before = await store.execute("ZSCORE", store.keys("assets"), "t")
    await record(store, run, 2, named, ("asset", named[1].replace('"t"', '"u"'), "null", "{}"))
    assert await store.execute("ZSCORE", store.keys("assets"), "t") == before
    assert (await fields(store, "asset", "t"))["properties"] == b'{"name":"T"}'
    assert await fields(store, "asset", "u") == {"version": b"0"}


async def test_only_the_latest_materialisations_are_kept(store: Store, run: str) -> None:
    body = to_json({"rows": 1}).decode()
    made = ("asset", '{"key":"t","what":"materialized","upstream":[]}', "null", body)
    await record(store, run, 1, *[made] * 60)
    kept = await store.execute("LRANGE", store.keys("materializations", "t"), 0, -1)
    assert [entry.partition(b" ")[0] for entry in (kept[0], kept[-1])] == [b"60", b"11"]


async def test_what_is_not_known_can_not_be_forgotten(store: Store) -> None:
    assert await store.call("forget_asset", "t", '{"event":"asset.deleted"}') == 0
    assert await events(store, "asset") == []


async def test_assets_of_which_nothing_was_said_for_long_are_dropped(
    store: Store, run: str
) -> None:
    for key in ("old", "young"):
        head = f'{{"key":"{key}","what":"materialized","upstream":["source"]}}'
        await record(store, run, 1 if key == "old" else 2, ("asset", head, "null", "{}"))
    await store.execute("ZADD", store.keys("assets"), 1000, "old")
    assert await store.call("forget_assets", 1000, 10) == 0
    assert await store.call("forget_assets", 1001, 10) == 1
    left = {key.decode() for key in await store.execute("KEYS", store.keys("*old*"))}
    assert left == set()
    assert await store.execute("SMEMBERS", store.keys("downstream", "source")) == [b"young"]
    assert await store.execute("EXISTS", store.keys("asset", "young")) == 1
