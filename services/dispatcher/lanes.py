"""Lanes: how much of the dispatcher one receiver may hold, so that a dead one stalls no other."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from ..exceptions import ActionFailed, LaneFull, TryFailed

SUSPECT: Final = 5
"""So many tries without any answer, one after another, and a receiver counts as dead."""
PROBES: Final = 2
"""So many tries at a time find out whether a dead receiver is back."""
PATIENCE: Final = 1.0
"""Seconds that an action waits for a place in a lane where nothing ends."""
_KEPT: Final = 4096


class Lane:
    """The places of one receiver.

    Args:
        places: tries at a time.
    """

    def __init__(self, places: int) -> None:
        self.places = asyncio.Semaphore(places)
        self.busy = 0
        self.silent = 0
        self.why = ""
        self.moved = time.monotonic()

    @property
    def idle(self) -> bool:
        return not self.busy and not self.silent

    @property
    def dead(self) -> bool:
        return self.silent >= SUSPECT and self.busy >= PROBES

    def stuck(self, now: float) -> bool:
        """Tell whether all places are taken and nothing has ended for a while."""
        return self.places.locked() and now - self.moved > PATIENCE

    def ended(self, *, answered: bool, why: str = "") -> None:
        """Note that a try ended, with an answer of whatever kind or with none, and then why."""
        self.silent = 0 if answered else self.silent + 1
        self.why = "" if answered else why
        self.moved = time.monotonic()


class Lanes:
    """The lanes of all receivers that are being tried."""

    def __init__(self) -> None:
        self._lanes: dict[str, Lane] = {}

    def place(self, receiver: str, places: int) -> Place:
        """Hold one of the receiver's places for the time of a try.

        Raises:
            TryFailed: the receiver is known not to answer; this counts as a try.
            LaneFull: no place came free; this does not.
        """
        return Place(self, receiver, self._lanes.get(receiver) or self._open(receiver, places))

    def leave(self, receiver: str, lane: Lane) -> None:
        """Note that a try is over, or never began."""
        lane.busy -= 1
        if lane.idle:
            self._lanes.pop(receiver, None)

    def _open(self, receiver: str, places: int) -> Lane:
        if len(self._lanes) >= _KEPT:
            self._lanes = {name: lane for name, lane in self._lanes.items() if lane.busy}
        lane = self._lanes[receiver] = Lane(places)
        return lane


class Place:
    """A place in a lane, held while its block runs; how that ends tells whether anybody answered.

    Args:
        lanes: which the lane is one of. receiver: whose it is.
    """

    __slots__ = ("_lane", "_lanes", "_receiver")

    def __init__(self, lanes: Lanes, receiver: str, lane: Lane) -> None:
        self._lanes = lanes
        self._receiver = receiver
        self._lane = lane

    async def __aenter__(self) -> None:
        receiver, lane = self._receiver, self._lane
        if lane.dead:
            why = f"; the last one: {lane.why}" if lane.why else ""
            raise TryFailed(f"{receiver} did not answer {lane.silent} tries in a row{why}")
        lane.busy += 1
        try:
            await _wait(receiver, lane)
        except BaseException:
            self._lanes.leave(receiver, lane)
            raise

    async def __aexit__(self, _: object, error: BaseException | None, __: object) -> None:
        if error is None or isinstance(error, ActionFailed):
            self._lane.ended(answered=True)
        elif isinstance(error, TimeoutError | TryFailed):
            answered = isinstance(error, TryFailed) and error.answered
            self._lane.ended(answered=answered, why=str(error))
        self._lane.places.release()
        self._lanes.leave(self._receiver, self._lane)


async def _wait(receiver: str, lane: Lane) -> None:
    if lane.stuck(time.monotonic()):
        raise LaneFull(f"{receiver} answers too slowly for all that it is sent")
    if not lane.places.locked():
        await lane.places.acquire()
        return
    try:
        async with asyncio.timeout(PATIENCE):
            await lane.places.acquire()
    except TimeoutError:
        raise LaneFull(f"{receiver} answers too slowly for all that it is sent") from None
