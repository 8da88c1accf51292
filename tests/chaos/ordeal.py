"""One ordeal: a service under load, kills at random moments, rest, and the verdict."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.waiting import eventually
from upshot.events.event import Recorded
from upshot.events.exceptions import EventsError
from upshot.events.store import SyncStore

from .load import Load, Sent
from .receiving import Call
from .seen import Seen, look, unfinished
from .verdict import Verdict, judge
from .whole import Whole

TARGETS = ("store", "engine", "dispatcher", "api", "worker", "flow", "all")
REST = 90.0  # seconds
_WORKS_AGAIN = 0.7
"""How many of the kills find everything at work; the others come wherever it is by then."""
_WAIT_FOR_TARGET = 60.0


@dataclass
class Killing:
    """When each target was killed, in Unix seconds."""

    at: list[tuple[str, float]] = field(default_factory=list)

    def times(self, target: str) -> list[float]:
        return [when for which, when in self.at if which == target]


@dataclass
class Ordeal:
    """What came of it."""

    killing: Killing
    verdict: Verdict
    recoveries: list[float]

    @property
    def recovery(self) -> str:
        if not self.recoveries:
            return "-"
        return f"{statistics.median(self.recoveries):.2f}/{max(self.recoveries):.2f}"


def undergo(
    folder: Path, kills: Mapping[str, int], seed: int, *, lease: float = 1.0, calm: float
) -> Ordeal:
    """Kill each target so many times, in random order, and judge what is left.

    Args:
        calm: longest time between a target's return and the next kill, in seconds.
    """
    chance = random.Random(seed)
    with Whole(folder, lease=lease) as whole:
        whole.apply()
        load = Load(whole.port, seed)
        load.start()
        killing = _kill(whole, _order(kills, chance), chance, calm)
        sent = load.end()
        store = whole.store()
        seen = rest(store)
        calls = whole.receiver.calls()
        keys = whole.receiver.keys()
        store.close()
    recoveries = [
        each for target in kills for each in _recoveries(target, killing, seen, sent, calls)
    ]
    return Ordeal(killing, judge(seen, sent, keys), recoveries)


def _order(kills: Mapping[str, int], chance: random.Random) -> list[str]:
    order = [target for target, times in kills.items() for _ in range(times)]
    chance.shuffle(order)
    return order


def _kill(whole: Whole, order: Sequence[str], chance: random.Random, calm: float) -> Killing:
    killing = Killing()
    for target in order:
        if chance.random() < _WORKS_AGAIN:
            _await_progress(whole, target)
        time.sleep(chance.uniform(0.0, calm))
        killing.at.append((target, _kill_one(whole, target, chance)))
        if target == "all":
            time.sleep(chance.uniform(0.0, calm))
            whole.start(wait=False)
    return killing


def _await_progress(whole: Whole, target: str) -> None:
    """Wait until something comes through again, so that the kill finds work amid which to come."""
    if target in ("worker", "flow"):
        eventually(whole.flows, "a flow runs")
    else:
        before = whole.receiver.heard()
        eventually(lambda: whole.receiver.heard() > before, "a call comes through")


def _kill_one(whole: Whole, target: str, chance: random.Random) -> float:
    """Kill a target as soon as it is there; return when."""
    deadline = time.monotonic() + _WAIT_FOR_TARGET
    while not whole.kill(target, chance):
        assert time.monotonic() < deadline, f"there is no {target} to kill"
        time.sleep(0.01)
    return time.time()


def rest(store: SyncStore, but: Sequence[str] = ()) -> Seen:
    """Wait until nothing is to be done any more ``but`` this, or for as long as that may take."""
    deadline = time.monotonic() + REST
    quiet = 0
    while quiet < 3 and time.monotonic() < deadline:
        time.sleep(0.25)
        try:
            quiet = 0 if unfinished(store).keys() - set(but) else quiet + 1
        except EventsError:  # the store is just coming back
            quiet = 0
    return look(store)


def _recoveries(
    target: str, killing: Killing, seen: Seen, sent: Sent, calls: Sequence[Call]
) -> Iterator[float]:
    """Yield for each kill the seconds until what was sent after it had its effect."""
    if target in ("worker", "flow"):
        effects = _runs(seen, sent)
    else:
        effects = [
            (sent.first[call.body["event"]], call.at) for call in calls if call.kind == "order"
        ]
    for killed in killing.times(target):
        after = [done - killed for asked, done in effects if asked > killed]
        if after:
            yield min(after)


def _runs(seen: Seen, sent: Sent) -> list[tuple[float, float]]:
    """Return when each errand was asked for and when its run completed."""
    asked = {
        event.payload["number"]: event.id for event in seen.log if event.name == "errand.asked"
    }
    done = {event.resource["id"]: event for event in seen.log if _completed(event)}
    effects = []
    for run_id, run in seen.runs.items():
        event = done.get(f"flow-run.{run_id}")
        if event is not None:
            effects.append((sent.first[asked[run.run.parameters["number"]]], event.received / 1000))
    return effects


def _completed(event: Recorded) -> bool:
    return event.own and event.name == "flow-run.completed"
