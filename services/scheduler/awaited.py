"""What runs wait for: which event, since when and until when; decided without I/O."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

from upshot.automations.logtime import OpenTime
from upshot.automations.triggers.base import Facts, Interest
from upshot.automations.triggers.selection import Named, Names, Selecting
from upshot.events.event import Recorded
from upshot.events.log import START, milliseconds, order
from upshot.flows.runs.flowrun import Pause


class Wanted(Selecting):
    """Which event a run waits for, in the words of a trigger.

    Attributes:
        expect: names or globs; empty means all that ``match``.
    """

    expect: Names = ()

    @cached_property
    def named(self) -> Named:
        return Named(self.expect or ("*",))

    def interest(self) -> Interest:
        """Return which events are to be looked at, for an index."""
        return Interest(self.expect or ("*",), self.match, self.match_related)

    def fits(self, facts: Facts) -> bool:
        return facts.name in self.named and self.refusal(None, facts) is None


NO_PAUSE: Final = Pause("")


@dataclass(frozen=True, slots=True, eq=False)
class Wait:
    """One run's wait.

    Attributes:
        at: log position at which it was registered.
        attempt: of the run. wanted: None for one that can't be answered, or was.
    """

    run_id: str
    at: str
    attempt: int = 0
    pause: Pause = NO_PAUSE
    wanted: Wanted | None = None

    @property
    def since(self) -> str:
        """Log position after which events count."""
        return self.pause.since or START

    def fits(self, event: Recorded, facts: Facts, time: OpenTime) -> bool:
        """Tell whether it ends with an event."""
        if self.wanted is None or order(event.position) <= order(self.since):
            return False
        return not self.is_over(event.received, time) and self.wanted.fits(facts)

    def is_over(self, ms: int, time: OpenTime) -> bool:
        """Tell whether it has ended without an event at a millisecond of the log.

        While nobody outside could send, its time stands still.
        """
        if self.pause.until is None:
            return False
        began = milliseconds(self.at)
        return time.at(ms) - time.at(began) > max(0, self.pause.until - began)
