"""The schedule trigger: fires at its times, whatever the log says."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from upshot.events.durations import Duration

from ..logtime import OpenTime
from .base import Due, Facts, Reason, Verdict
from .clock import TimeZone, milliseconds_of, zone
from .explaining import Check, Checks
from .times import Calendar, NextTime, calendar, cron, interval, rrule
from .window import NEVER, Window

SHORTEST: Final = timedelta(seconds=1)


class ScheduleTrigger(BaseModel):
    """Fires at the times of one of these.

    Attributes:
        cron: five fields, or six with seconds first.
        interval: a duration, counted from ``start``, or else from the start of 1970.
        calendar: every so many days, weeks, months or years, at a time of the day.
        rrule: a recurrence rule, ``FREQ=WEEKLY;BYDAY=MO``, from ``start`` on.
        start: when intervals and rules begin; without an offset, in ``timezone``.
        timezone: where the clock hangs.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    pins: ClassVar[bool] = False
    begins_when_defined: ClassVar[bool] = True

    type: Literal["schedule"] = "schedule"
    cron: Annotated[str, Field(max_length=256)] | None = None
    interval: Duration | None = None
    calendar: Calendar | None = None
    rrule: Annotated[str, Field(max_length=512)] | None = None
    start: datetime | None = None
    timezone: TimeZone = "UTC"

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        ways = (self.cron, self.interval, self.calendar, self.rrule)
        if sum(way is not None for way in ways) != 1:
            raise ValueError("write one of 'cron', 'interval', 'calendar' and 'rrule'")
        if self.interval is not None and self.interval < SHORTEST:
            raise ValueError("'interval' must be at least 1s")
        if self.start is not None and (self.cron or self.calendar):
            raise ValueError("'start' goes with 'interval' and 'rrule'")
        self.following  # noqa: B018 - made here, so that what is no schedule is refused at once
        return self

    @cached_property
    def following(self) -> NextTime:
        """From Unix ms to the schedule's first time after them."""
        if self.cron is not None:
            return cron(self.cron, self.timezone)
        if self.calendar is not None:
            return calendar(self.calendar, self.timezone)
        if self.rrule is not None:
            return rrule(self.rrule, self._local_start(), self.timezone)
        assert self.interval is not None
        start = self._local_start()
        if start is None:
            return interval(self.interval, 0)
        return interval(
            self.interval,
            milliseconds_of(start.replace(tzinfo=zone(self.timezone)).astimezone(UTC)),
        )

    def _local_start(self) -> datetime | None:
        if self.start is None or self.start.tzinfo is None:
            return self.start
        return self.start.astimezone(zone(self.timezone)).replace(tzinfo=None)

    def interest(self) -> None:
        """Return None: it sees no events."""

    def bucket(self, facts: Facts) -> str:
        """Return its only bucket."""
        return ""

    def labels(self, bucket: str) -> dict[str, str]:
        """Return that a bucket stands for nothing."""
        return {}

    def due(self, window: Window) -> Due:
        """Return that its times come whether the log is open or not."""
        return Due.CLOCK

    def begin(self, opened: int, time: OpenTime) -> Window:
        """Return the window that opens with the definition."""
        return Window(opened, self.following(opened) or NEVER, f"{opened}-0")

    def load(self, body: bytes, time: OpenTime) -> Window:
        """Read a window that was kept."""
        return Window.from_json(body)

    def rearm(self, window: Window, time: OpenTime) -> Window:
        """Return the window as it is: the clock knows no gaps."""
        return window

    def decide(self, window: Window | None, facts: Facts, time: OpenTime) -> Verdict:
        """Decide that an event means nothing to it."""
        return Verdict(window, Reason.NOT_EXPECTED, detail=facts.name)

    def explain(self, window: Window | None, facts: Facts, verdict: Verdict) -> Checks:
        """Return when it fires next: no event makes it."""
        way = self.cron or self.rrule or self.interval or self.calendar
        following = self.following(facts.received)
        return [Check("time", str(way), None if following is None else following, None)]

    def at_deadline(self, window: Window, time: OpenTime) -> Verdict:
        """Fire, and wait for the next time."""
        following = self.following(window.deadline) or NEVER
        return Verdict(replace(window, deadline=following), Reason.TICK, fires=True)
