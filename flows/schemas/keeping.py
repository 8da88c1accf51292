"""Keeps what is known of the parameters of deployments' flows, for each version of their code.

Who has the code tells: whoever deploys a flow from Python, and the process of the first run that a
worker's code of it executes. Whoever makes runs asks.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from ..exceptions import WrongParameters
from .files import changed_at
from .known import Known, is_true, place_of, wrong_ones

if TYPE_CHECKING:
    from upshot.events.store import Store, SyncStore

    from ..journal.journal import Journal

KEPT_SECONDS: Final = 400 * 86_400
MOST_VERSIONS: Final = 20


def now_ms() -> int:
    """Return the time, Unix ms."""
    return time.time_ns() // 1_000_000


def known_here(store: SyncStore | Journal, deployment: Mapping[str, Any]) -> Known | None:
    """Return what is known of a deployment's code, to a flow process."""
    name, code = place_of(deployment)
    return _parsed(store.execute("HGET", store.keys("parameters", name), code))


async def known_of(store: Store, deployment: Mapping[str, Any]) -> Known | None:
    """Do the same in a service."""
    name, code = place_of(deployment)
    return _parsed(await store.execute("HGET", store.keys("parameters", name), code))


@lru_cache(maxsize=64)
def _parsed(value: bytes | None) -> Known | None:
    return None if value is None else Known.model_validate_json(value)


def keep_here(store: SyncStore | Journal, deployment: Mapping[str, Any], told: Known) -> None:
    """Keep what a flow process tells of a deployment's code."""
    name, code = place_of(deployment)
    key = store.keys("parameters", name)
    store.execute("HSET", key, code, told.model_dump_json())
    store.execute("EXPIRE", key, KEPT_SECONDS)
    if store.execute("HLEN", key) > MOST_VERSIONS:
        store.execute("HDEL", key, *_oldest(store.execute("HGETALL", key)))


async def keep(store: Store, deployment: Mapping[str, Any], told: Known) -> None:
    """Do the same in a service."""
    name, code = place_of(deployment)
    key = store.keys("parameters", name)
    await store.pipeline(
        [("HSET", key, code, told.model_dump_json()), ("EXPIRE", key, KEPT_SECONDS)]
    )
    if await store.execute("HLEN", key) > MOST_VERSIONS:
        await store.execute("HDEL", key, *_oldest(await store.execute("HGETALL", key)))


def _oldest(kept: Mapping[bytes, bytes]) -> list[bytes]:
    """Return the codes of which nobody told for the longest."""
    by_age = sorted(kept, key=lambda code: Known.model_validate_json(kept[code]).at)
    return by_age[: len(kept) - MOST_VERSIONS]


def require_taken_here(
    store: SyncStore | Journal, deployment: Mapping[str, Any], given: Mapping[str, Any], run_id: str
) -> None:
    """Do nothing where a deployment's flow takes parameters, as far as that is known.

    Args:
        deployment: its definition, as the store has it.
        given: parameters that differ from the deployment's.
        run_id: of the run that is to get them; one that is there already was made of what the
            flow took then.

    Raises:
        WrongParameters: naming each that it does not take.
    """
    wrong = _wrong(deployment, known_here(store, deployment), given)
    if wrong is not None and not store.execute("EXISTS", store.keys("run", run_id)):
        raise wrong


async def require_taken(
    store: Store, deployment: Mapping[str, Any], given: Mapping[str, Any], run_id: str
) -> None:
    """Do the same in a service."""
    wrong = _wrong(deployment, await known_of(store, deployment), given)
    if wrong is not None and not await store.execute("EXISTS", store.keys("run", run_id)):
        raise wrong


def _wrong(
    deployment: Mapping[str, Any], known: Known | None, given: Mapping[str, Any]
) -> WrongParameters | None:
    if known is None or (wrong := wrong_ones(deployment, known, given)) is None:
        return None
    # Files are looked at only where they matter.
    return wrong if is_true(deployment, known, now_ms(), changed_at) else None


async def schema_of_deployment(
    store: Store, deployment: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Return the JSON schema of a deployment's parameters; None where none is known by now."""
    known = await known_of(store, deployment)
    if known is None or not is_true(deployment, known, now_ms(), changed_at):
        return None
    return known.takes
