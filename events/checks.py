"""Judges whether a server keeps the promises: pure findings from what it says about itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from redis.asyncio import Redis, RedisCluster
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from .exceptions import StoreUnavailable, StoreUnsuitable

_OLDEST = {"Redis": 7, "Valkey": 8}
_CONFIG_READ = ("appendonly", "appendfsync", "maxmemory-policy")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing about a server that weakens a promise (`warning`) or breaks it (`error`)."""

    level: Literal["warning", "error"]
    name: str
    message: str
    """What weakens, and what to set."""


def check(info: Mapping[str, Any], config: Mapping[str, str] | None) -> list[Finding]:
    """Return what is wrong with a server; nothing for one that keeps every promise.

    Args:
        info: the fields of `INFO`; empty when the server refused it.
        config: settings by name, as far as known; None when the server refused to tell them.
    """
    settings = {**_settings_in(info), **(config or {})}
    return [
        *_check_version(info),
        *_check_topology(info),
        *_check_eviction(settings),
        *_check_persistence(settings),
        *_check_health(info),
        *_check_knowledge(settings),
    ]


async def inspect(client: Redis | RedisCluster) -> list[Finding]:
    """Ask a server about itself and judge the answer.

    Raises:
        StoreUnavailable: it can't be reached.
    """
    try:
        info = await _ask_info(client)
        config = await _ask_config(client)
    except (RedisConnectionError, RedisTimeoutError) as error:
        raise StoreUnavailable(f"the store does not answer: {error}") from error
    return check(info, config)


def require_suitable(findings: Iterable[Finding]) -> None:
    """Do nothing unless a finding is an error.

    Raises:
        StoreUnsuitable: the messages of all errors.
    """
    errors = [finding.message for finding in findings if finding.level == "error"]
    if errors:
        raise StoreUnsuitable("; ".join(errors))


async def _ask_info(client: Any) -> Mapping[str, Any]:
    try:
        info: Mapping[str, Any] = await client.info()
    except ResponseError:  # forbidden or renamed, as hosted servers do: the findings say so
        return {}
    return info


async def _ask_config(client: Any) -> Mapping[str, str] | None:
    try:
        answer = await client.config_get(*_CONFIG_READ)
    except ResponseError:  # as above
        return None
    return {_text(name): _text(value) for name, value in answer.items()}


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _settings_in(info: Mapping[str, Any]) -> dict[str, str]:
    """Return the settings that `INFO` shows too; hosted servers often forbid `CONFIG`."""
    found: dict[str, str] = {}
    if "aof_enabled" in info:
        found["appendonly"] = "yes" if int(info["aof_enabled"]) else "no"
    if "maxmemory_policy" in info:
        found["maxmemory-policy"] = str(info["maxmemory_policy"])
    return found


def _check_version(info: Mapping[str, Any]) -> Iterator[Finding]:
    product = "Valkey" if "valkey_version" in info else "Redis"
    version = str(info.get(f"{product.lower()}_version", ""))
    major = version.partition(".")[0]
    if not major.isdigit():
        yield Finding(
            "warning",
            "version-unknown",
            "the server does not tell its version: Upshot needs Redis 7 or later or Valkey 8 "
            "or later; allow this user the command INFO",
        )
    elif int(major) < _OLDEST[product]:
        yield Finding(
            "error",
            "version",
            f"{product} {version} is too old: Upshot needs Redis 7 or later or Valkey 8 or "
            "later; upgrade it, or leave --redis-url out to use the embedded store",
        )


def _check_topology(info: Mapping[str, Any]) -> Iterator[Finding]:
    if int(info.get("cluster_enabled", 0)):
        yield Finding(
            "error",
            "cluster",
            "the server is a node of a cluster, which Upshot does not support yet: name a "
            "server with cluster-enabled no",
        )
    if info.get("role") in ("slave", "replica"):
        yield Finding(
            "error",
            "replica",
            "the server is a replica and takes no writes: name its primary in --redis-url",
        )


def _check_eviction(settings: Mapping[str, str]) -> Iterator[Finding]:
    policy = settings.get("maxmemory-policy", "noeviction")
    if policy != "noeviction":
        yield Finding(
            "warning",
            "eviction",
            f"with maxmemory-policy {policy} the server deletes runs and events when its memory "
            "runs short: set maxmemory-policy noeviction",
        )


def _check_persistence(settings: Mapping[str, str]) -> Iterator[Finding]:
    if settings.get("appendonly", "yes") != "yes":
        yield Finding(
            "warning",
            "persistence",
            "without an append-only file a restart of the server loses what was acknowledged "
            "since its last snapshot, if it takes any: set appendonly yes and appendfsync always",
        )
        return
    fsync = settings.get("appendfsync", "always")
    if fsync != "always":
        lost = "about a second" if fsync == "everysec" else "half a minute"
        yield Finding(
            "warning",
            "fsync",
            f"with appendfsync {fsync} a crash of the server can lose {lost} of what was "
            "acknowledged: set appendfsync always",
        )


def _check_health(info: Mapping[str, Any]) -> Iterator[Finding]:
    if info.get("aof_last_write_status", "ok") != "ok":
        yield Finding(
            "warning",
            "append-only-file-failing",
            "the server can't write its append-only file and refuses writes: free disk space "
            "and look into the server's log",
        )
    if info.get("rdb_last_bgsave_status", "ok") != "ok":
        yield Finding(
            "warning",
            "snapshots-failing",
            "the server's last snapshot failed, after which it may refuse writes: free disk "
            "space and memory and look into the server's log",
        )


def _check_knowledge(settings: Mapping[str, str]) -> Iterator[Finding]:
    unknown = [name for name in _CONFIG_READ if name not in settings]
    if unknown:
        yield Finding(
            "warning",
            "config-unreadable",
            "whether acknowledged writes survive could not be checked, as the server does not "
            f"tell {', '.join(unknown)}: allow this user CONFIG GET, or make sure that "
            "appendonly is yes, appendfsync always and maxmemory-policy noeviction",
        )
