"""Leadership: one process leads, a dead one is no bar, and a late one can tell that it lost."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from upshot.events.exceptions import StaleEpoch
from upshot.events.store import Store
from upshot.services.leadership import Leadership, is_gone, owner_name

LONG = 3_600_000


@pytest.fixture
def dead_owner() -> str:
    """Return the name of a process of this machine that is no more."""
    code = "from upshot.services.leadership import owner_name; print(owner_name())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    return done.stdout.strip()


async def run_out(store: Store) -> None:
    await store.execute("HSET", store.keys("lease", "engine"), "until", 1)


async def test_one_leads_and_the_other_stands_by(store: Store) -> None:
    first, second = Leadership(store, "engine", LONG), Leadership(store, "engine", LONG)
    assert await first.take()
    assert not await second.take()
    assert (first.epoch, second.epoch) == (1, 0)
    assert await first.take()
    assert first.epoch == 1


async def test_giving_up_lets_the_other_lead_at_once(store: Store) -> None:
    first, second = Leadership(store, "engine", LONG), Leadership(store, "engine", LONG)
    await first.take()
    await first.drop()
    assert first.epoch == 0
    assert await second.take()
    assert second.epoch == 2
    await first.drop()
    assert not await first.take()


async def test_one_that_fell_silent_learns_that_it_lost(store: Store) -> None:
    first, second = Leadership(store, "engine", LONG), Leadership(store, "engine", LONG)
    await first.take()
    await run_out(store)
    assert await second.take()
    assert not await first.take()
    await first.drop()
    assert await second.take()
    assert second.epoch == 2


async def test_a_lease_that_another_one_has_taken_is_not_kept(store: Store) -> None:
    first, second = Leadership(store, "engine", 0), Leadership(store, "engine", LONG)
    await first.take()
    await first.keep()
    await run_out(store)
    await second.stand_by()
    with pytest.raises(StaleEpoch, match="epoch 1 is gone"):
        await first.keep()
    await second.keep()


async def test_a_leader_that_is_known_to_be_dead_is_no_bar(store: Store, dead_owner: str) -> None:
    assert is_gone(dead_owner)
    assert await store.call("take_lease", "engine", dead_owner, LONG) == 1
    standby = Leadership(store, "engine", LONG)
    assert await standby.take()
    assert standby.epoch == 2


async def test_a_leader_elsewhere_is_never_taken_for_dead(store: Store) -> None:
    machine, _, rest = owner_name().partition("|")
    elsewhere = f"not-{machine}|{rest.replace(str(os.getpid()), '999999999')}"
    assert not is_gone(elsewhere)
    await store.call("take_lease", "engine", elsewhere, LONG)
    assert not await Leadership(store, "engine", LONG).take()


def test_names_of_owners_never_repeat_and_this_process_is_alive() -> None:
    assert owner_name() != owner_name()
    assert not is_gone(owner_name())
    assert not is_gone("anything else")
    assert not is_gone("")
