"""Artifacts and assets over HTTP and on the command line: listed, inspected, followed back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.services.api_served import Api, served
from upshot import (
    Asset,
    AssetCheckResult,
    AssetProperties,
    add_asset_metadata,
    asset_check,
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    flow,
    materialize,
)
from upshot.services.cli.app import run

RAW = "s3://bucket/raw.csv"
CLEAN = Asset("warehouse/clean", AssetProperties(name="Clean", owners=["data-team"]))
CHANGED = "asset.deleted"


@materialize(RAW)
def raw() -> list[int]:
    add_asset_metadata(RAW, {"rows": 2}, data_version="v1")
    return [1, 2]


@materialize(CLEAN)
def clean(rows: list[int]) -> list[int]:
    return [*rows]


@asset_check(asset=clean)
def enough(rows: list[int]) -> AssetCheckResult:
    return AssetCheckResult(len(rows) > 5, severity="warn", description="few rows")


@materialize("report")
def report(rows: list[int], broken: bool) -> None:
    if broken:
        raise ValueError("no paper")


@flow
def etl(broken: bool = False) -> None:
    create_progress_artifact(50)
    create_table_artifact({"city": ["Rome", "Oslo"], "size": [4, 2]}, key="cities")
    create_markdown_artifact("# All\n\nwell", key="summary", description="of the day")
    create_link_artifact("https://example.org", "docs")
    report(clean(raw()), broken)


@pytest.fixture
async def api(
    store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Api]:
    monkeypatch.setenv("UPSHOT_REDIS_URL", store_url)
    monkeypatch.setenv("UPSHOT_DATA_DIR", str(tmp_path))
    async with served(store_url) as running:
        monkeypatch.setenv("UPSHOT_URL", running.url)
        await asyncio.to_thread(etl)
        yield running


@pytest.fixture
def command(api: Api, capsys: pytest.CaptureFixture[str]) -> Any:
    async def call(*arguments: str, code: int = 0) -> str:
        capsys.readouterr()
        assert await asyncio.to_thread(run, [*arguments]) == code
        told = capsys.readouterr()
        return told.out if code == 0 else told.err

    return call


async def test_artifacts_are_listed_without_their_data(api: Api) -> None:
    found = (await api.get("/api/v1/artifacts"))["items"]
    assert [each["type"] for each in found] == ["link", "markdown", "table", "progress"]
    assert [each["summary"] for each in found] == ["https://example.org", "# All", "2 rows", "50 %"]
    assert not any("data" in each for each in found)


async def test_artifacts_are_found_by_run_key_and_type(api: Api) -> None:
    await asyncio.to_thread(etl)
    versions = (await api.get("/api/v1/artifacts?key=cities"))["items"]
    assert [each["version"] for each in versions] == [2, 1]
    mine = (await api.get(f"/api/v1/artifacts?run={versions[1]['flow_run']}&type=table"))["items"]
    assert [each["id"] for each in mine] == [versions[1]["id"]]
    assert await api.get("/api/v1/artifacts?run=nobody", 404)
    assert await api.get("/api/v1/artifacts?type=sound", 422)


async def test_pages_of_artifacts_leave_nothing_out(api: Api) -> None:
    await asyncio.to_thread(etl)
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = await api.get(f"/api/v1/artifacts?limit=3{cursor and f'&cursor={cursor}'}")
        seen += [each["id"] for each in page["items"]]
        cursor = page["next"]
    assert len(seen) == len(set(seen)) == 8


async def test_an_artifact_is_shown_by_its_id_or_the_latest_of_its_key(api: Api) -> None:
    (listed,) = (await api.get("/api/v1/artifacts?key=cities"))["items"]
    shown = await api.get(f"/api/v1/artifacts/{listed['id']}")
    assert shown["data"] == {"city": ["Rome", "Oslo"], "size": [4, 2]}
    assert await api.get("/api/v1/artifacts/cities") == shown
    assert await api.get("/api/v1/artifacts/nothing", 404)


async def test_an_asset_shows_how_it_is(api: Api) -> None:
    shown = await api.get("/api/v1/assets/s3%3A%2F%2Fbucket%2Fraw.csv")
    assert (shown["health"], shown["version"]) == ("ok", 1)
    assert shown["materialized"]["metadata"] == {"rows": 2}
    assert shown["materialized"]["data_version"] == "v1"
    assert (shown["upstream"], shown["downstream"]) == ([], [CLEAN.key])
    checked = await api.get(f"/api/v1/assets/{CLEAN.key}")
    assert checked["health"] == "check warned"
    assert checked["checks"][0]["description"] == "few rows"
    assert checked["properties"]["owners"] == ["data-team"]
    assert await api.get("/api/v1/assets/nothing", 404)


async def test_assets_are_listed_by_what_was_known_last(api: Api) -> None:
    found = await api.get("/api/v1/assets")
    assert {each["key"] for each in found["items"]} == {RAW, CLEAN.key, "report"}
    only = await api.get("/api/v1/assets?prefix=s3://")
    assert [each["key"] for each in only["items"]] == [RAW]
    first = await api.get("/api/v1/assets?limit=2")
    rest = await api.get(f"/api/v1/assets?limit=2&cursor={first['next']}")
    assert len({each["key"] for each in [*first["items"], *rest["items"]]}) == 3


async def test_long_keys_are_paged_and_found(api: Api) -> None:
    @flow
    def many() -> None:
        for letter in "abc":
            materialize(letter * 512)(lambda: None)()

    await asyncio.to_thread(many)
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = await api.get(f"/api/v1/assets?limit=1{cursor and f'&cursor={cursor}'}")
        seen += [each["key"] for each in page["items"]]
        cursor = page["next"]
    assert len(seen) == len(set(seen)) == 6
    assert (await api.get(f"/api/v1/assets/{'a' * 512}"))["version"] == 1


async def test_a_failure_is_told_until_it_is_materialised_again(api: Api) -> None:
    with pytest.raises(ValueError, match="no paper"):
        await asyncio.to_thread(etl, True)
    shown = await api.get("/api/v1/assets/report")
    assert shown["health"] == "failed"
    assert shown["failed"]["message"] == "ValueError: no paper"
    await asyncio.to_thread(etl)
    assert (await api.get("/api/v1/assets/report"))["health"] == "ok"
    past = (await api.get("/api/v1/assets/report/materializations"))["items"]
    assert [each["version"] for each in past] == [2, 1]


async def test_lineage_goes_both_ways_and_not_in_circles(api: Api) -> None:
    found = await api.get(f"/api/v1/assets/{CLEAN.key}/lineage")
    assert [node["key"] for node in found["upstream"]] == [RAW]
    assert [node["key"] for node in found["downstream"]] == ["report"]
    store = api.store
    await store.execute("SADD", store.keys("upstream", RAW), CLEAN.key)
    circle = await api.get(f"/api/v1/assets/{CLEAN.key}/lineage")
    assert circle["upstream"][0]["upstream"] == [{"key": CLEAN.key, "again": True}]
    near = await api.get("/api/v1/assets/report/lineage?depth=1")
    assert near["upstream"][0]["more"] is True


async def test_a_forgotten_asset_is_gone_with_its_event(api: Api) -> None:
    await api.ask("DELETE", f"/api/v1/assets/{CLEAN.key}", 204)
    assert await api.get(f"/api/v1/assets/{CLEAN.key}", 404)
    assert (await api.get("/api/v1/assets/report"))["upstream"] == [CLEAN.key]
    assert (await api.get("/api/v1/assets/s3%3A%2F%2Fbucket%2Fraw.csv"))["downstream"] == []
    events = await api.get(f"/api/v1/events?event={CHANGED}")
    assert [each["resource"]["id"] for each in events["items"]] == [CLEAN.key]
    await api.ask("DELETE", f"/api/v1/assets/{CLEAN.key}", 404)


async def test_the_command_line_lists_and_shows_artifacts(command: Any) -> None:
    listed = await command("artifact", "ls")
    assert "cities" in listed
    assert "2 rows" in listed
    assert json.loads(await command("artifact", "ls", "--type", "progress", "--output", "json"))
    table = await command("artifact", "inspect", "cities")
    assert table.splitlines()[-3:] == ["CITY  SIZE", "Rome  4", "Oslo  2"]
    assert "# All" in await command("artifact", "inspect", "summary")
    assert "no artifact" in await command("artifact", "inspect", "nothing", code=1)


async def test_the_command_line_tells_of_assets(command: Any) -> None:
    listed = await command("asset", "ls")
    assert CLEAN.key in listed
    assert "check warned" in listed
    shown = await command("asset", "inspect", RAW)
    assert "data version  v1" in shown
    assert '{"rows": 2}' in shown
    assert "check enough  warned  few rows" in await command("asset", "inspect", CLEAN.key)
    lines = (await command("asset", "lineage", CLEAN.key)).splitlines()
    assert lines[0] == CLEAN.key
    assert any(RAW in line for line in lines)
    assert any("report" in line for line in lines)
    await command("asset", "delete", "report")
    assert "no asset" in await command("asset", "inspect", "report", code=1)


async def test_a_run_shows_its_artifacts(api: Api, command: Any) -> None:
    (ran,) = (await api.get("/api/v1/runs"))["items"]
    shown = await command("run", "inspect", ran["id"])
    assert "artifact    cities: 2 rows" in shown
    told = json.loads(await command("run", "inspect", ran["id"], "--output", "json"))
    assert len(told["artifacts"]) == 4
