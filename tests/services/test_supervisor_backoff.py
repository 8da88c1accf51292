"""How long the supervisor waits before it starts a part again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from upshot.services.supervisor.backoff import Backoff


def test_quick_ends_double_the_wait() -> None:
    backoff, waits = Backoff(), []
    for _ in range(9):
        wait, backoff = backoff.ended(lived=0.5)
        waits.append(wait)
    assert waits[:4] == [0.1, 0.2, 0.4, 0.8]
    assert waits[-1] == 10.0


def test_a_part_that_lived_long_starts_at_once_again() -> None:
    backoff = Backoff(wait=10.0)
    wait, backoff = backoff.ended(lived=31)
    assert wait == 0.1
    assert backoff.ended(lived=0)[0] == 0.2


@given(st.lists(st.floats(0, 1000)))
def test_the_wait_stays_within_its_bounds(lives: list[float]) -> None:
    backoff = Backoff()
    for lived in lives:
        wait, backoff = backoff.ended(lived)
        assert 0.1 <= wait <= 10.0
