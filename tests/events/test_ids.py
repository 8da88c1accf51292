"""Ids: new ones sort by time, derived ones come out the same twice."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upshot.events.ids import derived_id, new_id

PARTS = st.lists(st.text(max_size=5), max_size=4)


def test_a_new_id_is_a_uuid_of_version_7_with_the_present_time() -> None:
    before = time.time_ns() // 1_000_000
    made = UUID(new_id())
    after = time.time_ns() // 1_000_000
    assert (made.int >> 76) & 0xF == 7
    assert (made.int >> 62) & 0x3 == 0b10
    assert before <= made.int >> 80 <= after


def test_ids_of_later_milliseconds_sort_later() -> None:
    first = new_id()
    while time.time_ns() // 1_000_000 == UUID(first).int >> 80:
        pass
    assert first < new_id()


def test_new_ids_differ() -> None:
    assert len({new_id() for _ in range(10_000)}) == 10_000


def test_a_fork_makes_other_ids_than_its_parent() -> None:
    new_id()  # leaves random digits for the next ones
    mine, its = os.pipe()
    child = os.fork()
    if not child:
        os.write(its, new_id().encode())
        os._exit(0)
    os.waitpid(child, 0)
    told = os.read(mine, 100).decode()
    os.close(mine)
    os.close(its)
    assert told[24:] != new_id()[24:]


def test_threads_make_different_ids() -> None:
    with ThreadPoolExecutor(8) as pool:
        made = [
            id_
            for ids in pool.map(lambda _: [new_id() for _ in range(2_000)], range(8))
            for id_ in ids
        ]
    assert len(set(made)) == len(made)


def test_a_derived_id_is_the_same_for_ever() -> None:
    """It names runs and firings in stores that exist: it may never change."""
    assert derived_id("automation", "nightly") == "75cf81cc-e2a0-53e9-8df4-0cc0561394eb"


@given(PARTS, PARTS)
def test_derived_ids_are_equal_exactly_when_their_parts_are(a: list[str], b: list[str]) -> None:
    assert (derived_id(*a) == derived_id(*b)) == (a == b)


def test_ids_of_one_millisecond_are_in_the_order_in_which_they_are_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begin = 1_795_205_186_889_000_000
    moments = iter(range(begin, begin + 1_000_000, 250))
    monkeypatch.setattr("time.time_ns", lambda: next(moments))
    made = [new_id() for _ in range(4000)]
    assert made == sorted(made)
    assert {UUID(each).int >> 80 for each in made} == {begin // 1_000_000}
