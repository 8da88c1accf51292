"""The work pool that a worker serves, as it is defined when one of its runs begins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from upshot.events.store import Store
from upshot.flows.deployments.jobs import DEFAULT_TYPE
from upshot.services.definitions.switching import WORK_POOL
from upshot.services.definitions.versions import definition_in


@dataclass(frozen=True, slots=True)
class Pool:
    """What a work pool says of its runs' processes.

    Attributes:
        kind: its type. job: variables of every run's process.
    """

    kind: str
    job: Mapping[str, Any]


async def defined_pool(store: Store, name: str) -> Pool:
    """Return a pool as it is defined now; one that nobody has defined is there all the same.

    Raises:
        StoreUnavailable: the store does not answer.
    """
    stored = await store.execute("HGET", store.keys("docs", WORK_POOL), name)
    doc = definition_in(stored)
    return Pool(doc.get("type") or DEFAULT_TYPE, doc.get("job") or {})
