"""What takes long, or comes to much, neither costs the engine its lease nor fills its memory."""

from __future__ import annotations

from typing import Any

import pytest

from tests.services.engines import (
    automation,
    counter,
    defined,
    engine,
    event,
    firings,
    place,
    settled,
)
from upshot.events.log import Log
from upshot.events.store import Store
from upshot.services.definitions.catalog import Catalog
from upshot.services.definitions.planning import Verb
from upshot.services.engine import committing

NOTIFY: list[dict[str, Any]] = [{"notify": {"to": "me", "title": "x"}}]
LEASE_MS = 250


async def apply(store: Store, count: int, **fields: Any) -> None:
    plain = {"trigger": {"expect": ["tick"]}, "actions": NOTIFY, **fields}
    docs = {f"rule-{n}": {**plain, "name": f"rule-{n}"} for n in range(count)}
    await Catalog(store).apply({"automation": docs})


async def leases(store: Store) -> int:
    return int(await store.execute("HGET", store.keys("lease", "engine"), "epoch"))


async def test_looking_things_up_for_longer_than_a_lease_costs_no_lease(store: Store) -> None:
    await apply(store, 30, conditions=["variable('limit', default=0) > 0 || event.id == 'none'"])
    await Log(store).append([event() for _ in range(100)])
    async with engine(store, LEASE_MS), engine(store, LEASE_MS):
        await settled(store)
        assert await leases(store) == 1
    assert await counter(store, "firings:suppressed_condition_false") == 3000


async def test_what_comes_to_much_is_committed_on_the_way(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    decisions: list[int] = []
    of_batch = committing.of_batch

    def measured(batch: committing.Batch, *rest: Any) -> Any:
        decisions.append(batch.decisions)
        return of_batch(batch, *rest)

    monkeypatch.setattr(committing, "MAX_DECISIONS", 50)
    monkeypatch.setattr(committing, "of_batch", measured)
    quiet = {"control": {"debounce": {"period": 1, "key": "id"}}}
    for number in range(10):
        rule = {**automation(f"rule-{number}", expect=["tick"]), **quiet}
        await place(store, 1000, defined(rule, rule["name"], Verb.CREATED, 1), own=True)
    for number in range(60):
        await place(store, 2000 + number, event(resource={"id": f"thing.{number}"}))
    async with engine(store):
        await settled(store)
    assert len(await firings(store)) == sum(decisions) == 600
    assert 50 <= max(decisions) < 100
