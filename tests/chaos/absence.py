"""Absence through downtimes: a heart that beats whenever it is heard is never taken for silent.

Before each downtime another heart beats for the last time: each of those is silent, once.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from tests.services.service import descendants
from tests.waiting import eventually

from . import seen
from .load import Event, Sender
from .whole import HERE, Whole, killed

WITHIN = 3.0
"""Seconds of the window in ``absence.yaml``."""
_PULSE = 0.15
_MAIN = "heart.main"

Downtime = Callable[[Whole, random.Random], None]


def everything_killed(whole: Whole, chance: random.Random) -> None:
    whole.kill_all(chance)
    time.sleep(_longer(chance))
    whole.start()


def everything_stopped_in_order(whole: Whole, chance: random.Random) -> None:
    whole.stop()
    time.sleep(_longer(chance))
    whole.start()


def the_machine_asleep(whole: Whole, chance: random.Random) -> None:
    """Stop and continue each process, in whatever order."""
    pids = [whole.pid, *descendants(whole.pid)]
    _pause(pids, chance)


def the_store_stopped(whole: Whole, chance: random.Random) -> None:
    _pause([_living(whole, "store")], chance)


def the_api_stopped(whole: Whole, chance: random.Random) -> None:
    _pause([_living(whole, "api")], chance)


def the_engine_stopped(whole: Whole, chance: random.Random) -> None:
    _pause([_living(whole, "engine")], chance)


def the_store_killed_again_and_again(whole: Whole, chance: random.Random) -> None:
    _keep_down(whole, "store", chance)


def the_api_killed_again_and_again(whole: Whole, chance: random.Random) -> None:
    _keep_down(whole, "api", chance)


DOWNTIMES: Sequence[Downtime] = (
    the_api_stopped,
    everything_killed,
    the_store_stopped,
    the_machine_asleep,
    the_api_killed_again_and_again,
    the_engine_stopped,
    everything_stopped_in_order,
    the_store_killed_again_and_again,
)


def _longer(chance: random.Random) -> float:
    return WITHIN + chance.uniform(0.5, 1.5)


def _living(whole: Whole, part: str) -> int:
    pid = whole.part(part)
    assert pid is not None, f"{part} does not run"
    return pid


def _pause(pids: list[int], chance: random.Random) -> None:
    for number in (signal.SIGSTOP, signal.SIGCONT):
        chance.shuffle(pids)
        for pid in pids:
            os.kill(pid, number)
        if number == signal.SIGSTOP:
            time.sleep(_longer(chance))


def _keep_down(whole: Whole, part: str, chance: random.Random) -> None:
    """Kill a part whenever it is there."""
    until = time.monotonic() + _longer(chance)
    while time.monotonic() < until:
        pid = whole.part(part)
        if pid is not None:
            killed(pid)
        time.sleep(0.02)


@dataclass
class Silences:
    """What came of it: the downtimes gone through, and the hearts found silent."""

    downtimes: list[str] = field(default_factory=list)
    spurious: int = 0
    found: Counter[str] = field(default_factory=Counter)
    due: Counter[str] = field(default_factory=Counter)

    @property
    def problems(self) -> list[str]:
        """Return what does not hold."""
        wrong = (self.found - self.due) + (self.due - self.found)
        told = [f"{who}: silent {self.found[who]} times, not {self.due[who]}" for who in wrong]
        return [*told, *([f"{self.spurious} spurious silences"] if self.spurious else [])]

    def __str__(self) -> str:
        return (
            f"absence: {len(self.downtimes)} downtimes, {self.spurious} spurious, "
            f"{self.found.total()} of {self.due.total()} real silences found"
        )


def beats(who: str) -> Iterator[list[Event]]:
    """Yield the beats of a heart, one at a time."""
    for number in count():
        event = {"id": f"{who}-{number}", "event": "heart.beaten", "resource": {"id": who}}
        yield [event]


def undergo(folder: Path, downtimes: Sequence[Downtime], seed: int) -> Silences:
    """Go through downtimes, one after another, and tell which hearts were found silent."""
    chance = random.Random(seed)
    silences = Silences()
    with Whole(folder, lease=1.0) as whole:
        whole.apply(HERE / "absence.yaml")
        main = Sender(whole.port, beats(_MAIN), _PULSE, chance)
        main.start()
        for number, downtime in enumerate(downtimes):
            doomed = f"heart.doomed-{number}"
            Sender(whole.port, beats(doomed), 0.0, chance).send(next(beats(doomed)))
            silences.due[doomed] += 1
            downtime(whole, chance)
            silences.downtimes.append(downtime.__name__)
            _await_beats(main, chance)
        silences.spurious = _found(whole)[_MAIN]
        main.end()
        silences.due[_MAIN] += 1
        silences.found = _await_silence(whole, silences.due)
    return silences


def _await_beats(main: Sender, chance: random.Random) -> None:
    """Return when the main heart is heard again, and some time after that."""
    before = len(main.sent.acknowledged)
    eventually(lambda: len(main.sent.acknowledged) > before + 2, "the heart is heard again")
    time.sleep(chance.uniform(0.2, 1.2))


def _await_silence(whole: Whole, due: Counter[str]) -> Counter[str]:
    """Wait until every silence is found, and long enough for one too many."""
    deadline = time.monotonic() + 10 * WITHIN
    while _found(whole) != due and time.monotonic() < deadline:
        time.sleep(0.2)
    time.sleep(WITHIN)
    return _found(whole)


def _found(whole: Whole) -> Counter[str]:
    store = whole.store()
    try:
        return Counter(str(each.doc["labels"]["id"]) for each in seen.firings(store).values())
    finally:
        store.close()
