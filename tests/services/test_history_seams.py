"""Lists across store and archive, paged while both move: no hole, nothing twice."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.services.archived import (
    Steps,
)
from upshot.flows.runs.registry import RunFilter
from upshot.services.history import events as history
from upshot.services.history.filters import EventFilter
from upshot.services.history.runs import RecordedRuns

from .pasts import Events, RunsOfAll, workshop

ANY = EventFilter.of(None, None)

moves = st.lists(
    st.tuples(st.sampled_from(["new", "archive", "drop"]), st.integers(1, 8)), max_size=4
)
scripts = st.lists(st.tuples(moves, st.integers(1, 12)), min_size=1, max_size=8)
quick = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def play(store_url: str, what: Callable[[Steps], Awaitable[None]]) -> None:
    """Run a scenario to its end, with a loop of its own."""

    async def whole() -> None:
        async with workshop(store_url) as shop:
            await what(shop)

    asyncio.run(whole())


@quick
@given(script=scripts)
def test_events_page_newest_first_without_a_seam(store_url: str, script: Any) -> None:
    async def scenario(shop: Steps) -> None:
        world = Events(shop)
        await world.do([("new", 20), ("archive", 1), ("new", 5), ("drop", 3)])
        expected, seen = list(reversed(world.positions)), list[str]()
        cursor: str | None = None
        for moves, limit in [*script, ([], 1000)]:
            found, cursor = await history.search(
                shop.store, shop.archive, ANY, limit=limit, before=cursor
            )
            seen += [each.position for each in found]
            await world.do(moves)
            if cursor is None:
                break
        assert seen == expected

    play(store_url, scenario)


@quick
@given(script=scripts, limit=st.integers(1, 9))
def test_events_are_read_oldest_first_without_a_seam(
    store_url: str, script: Any, limit: int
) -> None:
    async def scenario(shop: Steps) -> None:
        world, left = Events(shop), list(script)
        await world.do([("new", 20), ("archive", 1), ("new", 5), ("drop", 3)])
        seen, there = list[str](), len(world.positions)
        async for batch in history.oldest_first(shop.store, shop.archive, limit=limit):
            seen += [each.position for each in batch]
            there = len(world.positions)  # what comes from now on, a last batch may not have
            if left:
                await world.do(left.pop()[0])
        assert len(seen) >= there
        assert seen == world.positions[: len(seen)]

    play(store_url, scenario)


@quick
@given(script=scripts)
def test_runs_page_newest_first_without_a_seam(store_url: str, script: Any) -> None:
    async def scenario(shop: Steps) -> None:
        world = RunsOfAll(shop)
        recorded = RecordedRuns(shop.store, world.runs, shop.archive)
        await world.do([("new", 12), ("archive", 1), ("drop", 3), ("new", 3)])
        places = await recorded.places(limit=100)
        assert {place.id for place in places} == set(world.made)
        expected = [place.id for place in places]
        seen, cursor = list[str](), None
        for moves, limit in [*script, ([], 1000)]:
            found, cursor = await recorded.page(RunFilter(), limit=limit, before=cursor)
            assert [each["id"] for _, each in found] == [place.id for place, _ in found]
            seen += [place.id for place, _ in found]
            await world.do(moves)
            if cursor is None:
                break
        assert seen == expected

    play(store_url, scenario)
