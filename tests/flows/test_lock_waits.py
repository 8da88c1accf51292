"""Who waits for a lock takes it from the dead, not from those who were cut off."""

from __future__ import annotations

from upshot.flows.journal.locks import Silence


def test_who_is_silent_for_a_lease_is_dead() -> None:
    silence = Silence(lease=15)
    seen = [silence.is_death(True, now) for now in (0, 5, 10, 15, 16)]
    assert seen == [False] * 4 + [True]


def test_silence_counts_anew_after_a_word_or_an_outage() -> None:
    spoke, away = Silence(lease=15), Silence(lease=15)
    assert not any(spoke.is_death(now != 10, now) for now in (0, 5, 10, 15, 20))
    assert not any(away.is_death(True, now) for now in (0, 10, 40, 50))
    assert spoke.is_death(True, 26)
    assert away.is_death(True, 56)
