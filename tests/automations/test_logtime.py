"""Open time stands still while the log is closed, whenever that is learnt."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from upshot.automations.logtime import OpenTime

MOMENTS = st.integers(0, 200)
GAPS = st.lists(st.tuples(MOMENTS, MOMENTS), max_size=6)


def closed(gaps: list[tuple[int, int]], moment: int) -> bool:
    return any(start <= moment < end for start, end in gaps)


@given(gaps=GAPS, moment=MOMENTS)
def test_open_time_counts_the_milliseconds_outside_the_gaps(
    gaps: list[tuple[int, int]], moment: int
) -> None:
    assert OpenTime(gaps).at(moment) == sum(not closed(gaps, each) for each in range(moment))


@given(gaps=GAPS, moment=MOMENTS)
def test_the_inverse_gives_the_last_moment_of_an_open_time(
    gaps: list[tuple[int, int]], moment: int
) -> None:
    time = OpenTime(gaps)
    last = time.when(moment)
    assert time.at(last) == moment
    assert time.at(last + 1) == moment + 1


@given(gaps=GAPS, moment=MOMENTS)
def test_gaps_learnt_one_by_one_count_like_gaps_known_before(
    gaps: list[tuple[int, int]], moment: int
) -> None:
    learning = OpenTime()
    for gap in gaps:
        learning.add(*gap)
    assert learning.gaps == OpenTime(gaps).gaps
    assert learning.at(moment) == OpenTime(gaps).at(moment)


def test_gaps_are_merged_and_empty_ones_are_none() -> None:
    assert OpenTime([(5, 7), (1, 3), (3, 4), (6, 9), (8, 8), (20, 10)]).gaps == [(1, 4), (5, 9)]


def test_while_the_log_is_closed_time_stands_still_as_in_the_gap_that_this_turns_out_to_be() -> (
    None
):
    time, known = OpenTime(), OpenTime([(100, 200)])
    time.hold(100)
    assert [time.at(ms) for ms in (50, 100, 150, 199)] == [50, 100, 100, 100]
    assert [time.at(ms) for ms in (50, 100, 150, 199)] == [known.at(m) for m in (50, 100, 150, 199)]
    time.hold(None)
    time.add(100, 200)
    assert time.at(250) == known.at(250) == 150
