"""The work pool that a worker serves, as it is defined when one of its runs begins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from upshot.events.keys import Keys
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


def ask_for_pool(keys: Keys, name: str) -> tuple[str, ...]:
    """Return the command that asks the store for a pool's definition."""
    return ("HGET", keys("docs", WORK_POOL), name)


def pool_of(stored: bytes | None) -> Pool:
    """Return a pool as it is stored; one that nobody has defined is there all the same."""
    doc = definition_in(stored)
    return Pool(doc.get("type") or DEFAULT_TYPE, doc.get("job") or {})
