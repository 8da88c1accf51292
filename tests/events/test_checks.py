"""The check at start: each weakened promise has its finding, and a good server has none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from upshot.events.checks import Finding, check, inspect, require_suitable
from upshot.events.exceptions import StoreUnavailable, StoreUnsuitable

INFO: dict[str, Any] = {"redis_version": "7.2.4", "valkey_version": "9.1.2", "role": "master"}
CONFIG = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}


def names(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.level, finding.name) for finding in findings]


def test_a_good_server_has_no_findings() -> None:
    assert check(INFO, CONFIG) == []


@pytest.mark.parametrize(
    ("info", "good"),
    [
        ({"redis_version": "7.0.0"}, True),
        ({"redis_version": "8.4.0"}, True),
        ({"redis_version": "10.0.1"}, True),
        ({"redis_version": "6.2.14"}, False),
        ({"redis_version": "7.2.4", "valkey_version": "8.0.0"}, True),
        ({"redis_version": "7.2.4", "valkey_version": "10.1.0"}, True),
        ({"redis_version": "7.2.4", "valkey_version": "7.2.9"}, False),
    ],
)
def test_a_server_too_old_is_an_error(info: dict[str, Any], good: bool) -> None:
    assert names(check(info, CONFIG)) == ([] if good else [("error", "version")])


@pytest.mark.parametrize(
    ("info", "config", "finding", "advice"),
    [
        ({"cluster_enabled": 1}, {}, ("error", "cluster"), "cluster-enabled no"),
        ({"role": "slave"}, {}, ("error", "replica"), "primary"),
        ({}, {"maxmemory-policy": "allkeys-lru"}, ("warning", "eviction"), "noeviction"),
        ({}, {"appendonly": "no"}, ("warning", "persistence"), "set appendonly yes"),
        ({}, {"appendfsync": "everysec"}, ("warning", "fsync"), "about a second"),
        ({}, {"appendfsync": "no"}, ("warning", "fsync"), "appendfsync always"),
        (
            {"aof_last_write_status": "err"},
            {},
            ("warning", "append-only-file-failing"),
            "free disk space",
        ),
        ({"rdb_last_bgsave_status": "err"}, {}, ("warning", "snapshots-failing"), "free disk"),
        ({"valkey_version": ""}, {}, ("warning", "version-unknown"), "INFO"),
    ],
)
def test_a_weakened_promise_has_its_finding_and_advice(
    info: dict[str, Any], config: dict[str, str], finding: tuple[str, str], advice: str
) -> None:
    findings = check(INFO | info, CONFIG | config)
    assert names(findings) == [finding]
    assert advice in findings[0].message


def test_what_info_tells_is_used_where_config_is_forbidden() -> None:
    info = INFO | {"aof_enabled": 1, "maxmemory_policy": "volatile-lru"}
    findings = check(info, None)
    assert names(findings) == [("warning", "eviction"), ("warning", "config-unreadable")]
    assert "appendfsync" in findings[1].message


def test_a_server_that_tells_nothing_has_warnings_only() -> None:
    findings = check({}, None)
    assert names(findings) == [("warning", "version-unknown"), ("warning", "config-unreadable")]


def test_errors_stop_and_warnings_do_not() -> None:
    require_suitable(check(INFO, {"appendonly": "no"}))
    with pytest.raises(StoreUnsuitable, match=r"replica .*") as refusal:
        require_suitable(check({"redis_version": "6.0.0", "role": "slave"}, CONFIG))
    assert "too old" in str(refusal.value)


async def test_the_embedded_store_has_no_findings(store_url: str) -> None:
    async with AsyncRedis.from_url(store_url) as client:
        assert await inspect(client) == []


@pytest.fixture
def changed(store_url: str) -> Iterator[Redis]:
    with Redis.from_url(store_url) as client:
        yield client
        client.config_set("appendfsync", "always", "maxmemory-policy", "noeviction")
        client.acl_deluser("guest")


async def test_a_server_that_was_changed_is_found_out(changed: Redis, store_url: str) -> None:
    changed.config_set("appendfsync", "everysec", "maxmemory-policy", "allkeys-lfu")
    async with AsyncRedis.from_url(store_url, decode_responses=True) as client:
        found = names(await inspect(client))
    assert found == [("warning", "eviction"), ("warning", "fsync")]


@pytest.mark.parametrize(
    ("forbidden", "found"),
    [
        ("-config", ["config-unreadable"]),
        ("-info", ["version-unknown"]),
    ],
)
async def test_a_forbidden_command_is_a_warning(
    changed: Redis, store_url: str, forbidden: str, found: list[str]
) -> None:
    changed.acl_setuser(
        "guest", enabled=True, passwords="+pass", keys="*", commands=["+@all", forbidden]
    )
    async with AsyncRedis.from_url(store_url, username="guest", password="pass") as client:
        assert [finding.name for finding in await inspect(client)] == found


async def test_a_server_out_of_reach_is_said() -> None:
    async with AsyncRedis(
        unix_socket_path="/nonexistent/valkey.sock", retry=Retry(NoBackoff(), 0)
    ) as client:
        with pytest.raises(StoreUnavailable, match="does not answer"):
            await inspect(client)
