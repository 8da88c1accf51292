"""When a schedule's next time is: cron, intervals, calendars and recurrence rules."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from math import lcm
from typing import Annotated, Final, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, model_validator

from .clock import ClockTime, milliseconds_of, moment_of, zone

NextTime = Callable[[int], int | None]
"""From Unix ms to the first time after them; None where there is none any more."""

_FREQUENCIES: Final = ("YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY")
_COARSE: Final = frozenset({"BYMONTHDAY", "BYYEARDAY", "BYWEEKNO", "BYEASTER", "BYSETPOS"})
"""What may rule every time out, so that a search among many of them would be a long one."""

_CYCLE: Final = 400
_AHEAD: Final = 50
"""Years to search at least: the 29th of February falls on each weekday within forty."""

_STEP: Final = {"WEEKLY": timedelta(weeks=1), "DAILY": timedelta(1), "HOURLY": timedelta(hours=1)}
_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - rules are made of local times
_MONDAY: Final = date(1970, 1, 5)
_LEAP_MONTHS: Final = 48


def cron(expression: str, timezone: str) -> NextTime:
    """Return the times of a cron expression of five fields, or of six with seconds first.

    Raises:
        ValueError: it is none, or never comes up.
    """
    from cronsim import CronSim, CronSimError

    tz = zone(timezone)

    def following(ms: int) -> int | None:
        moment: datetime | None = next(CronSim(expression, moment_of(ms, tz)), None)
        return None if moment is None else milliseconds_of(moment)

    try:
        return _that_comes_up(following)
    except CronSimError as error:
        raise ValueError(f"no cron expression: {error}; write '0 7 * * mon-fri'") from error


def interval(every: timedelta, anchor: int) -> NextTime:
    """Return the times that lie whole intervals from ``anchor`` (ms)."""
    span = every // timedelta(milliseconds=1)
    return lambda ms: anchor + ((ms - anchor) // span + 1) * span


class Calendar(BaseModel):
    """Every so many days, weeks, months or years, at a time of the day.

    A month or year without that day is left out.

    Attributes:
        days: every so many days.
        weeks: or every so many weeks.
        months: or every so many months.
        years: or every so many years.
        at: the time of the day.
        start: the first day; it sets which weekday, or day of the month, it is: by default
            Mondays, and the first.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    days: Annotated[int, Field(ge=1, le=3660)] | None = None
    weeks: Annotated[int, Field(ge=1, le=520)] | None = None
    months: Annotated[int, Field(ge=1, le=120)] | None = None
    years: Annotated[int, Field(ge=1, le=10)] | None = None
    at: ClockTime = time(0)
    start: date | None = None

    @model_validator(mode="after")
    def _one_unit(self) -> Self:
        if sum(unit is not None for unit in (self.days, self.weeks, self.months, self.years)) != 1:
            raise ValueError("write one of 'days', 'weeks', 'months' and 'years'")
        return self

    @property
    def rule(self) -> str:
        """The same as a recurrence rule."""
        units = {"DAILY": self.days, "WEEKLY": self.weeks, "MONTHLY": self.months}
        every = {**units, "YEARLY": self.years}
        return next(f"FREQ={unit};INTERVAL={n}" for unit, n in every.items() if n)

    @property
    def first(self) -> datetime:
        """Local time of the first."""
        first = _MONDAY if self.weeks else _EPOCH.date()
        return datetime.combine(self.start or first, self.at)


def calendar(given: Calendar, timezone: str) -> NextTime:
    """Return the times of a calendar."""
    return rrule(given.rule, given.first, timezone)


def rrule(text: str, start: datetime | None, timezone: str) -> NextTime:
    """Return the times of a recurrence rule (RFC 5545).

    Args:
        text: ``FREQ=WEEKLY;BYDAY=MO``; its end, if any, as ``UNTIL``.
        start: the local time of the first; the first of 1970 where none is given.
        timezone: where that is.

    Raises:
        ValueError: it is none, is too fine, or never comes up.
    """
    tz = zone(timezone)
    rule = Rule(text, start or _EPOCH, tz)
    return _that_comes_up(lambda ms: rule.after(ms, tz))


class Rule:
    """A recurrence rule whose search always ends soon, also where it never comes up.

    Args:
        text: the rule. first: local time of its first. tz: for an ``UNTIL`` in UTC.
    """

    def __init__(self, text: str, first: datetime, tz: ZoneInfo) -> None:
        parts = dict(re.findall(r"([A-Z]+)=([^;\s]*)", text.upper()))
        _check(text, parts)
        self._frequency, self._every = parts["FREQ"], int(parts.get("INTERVAL", "1"))
        self._until = _ending(parts.pop("UNTIL"), tz) if "UNTIL" in parts else None
        self._text = ";".join(f"{name}={value}" for name, value in parts.items())
        self._first = first

    def after(self, ms: int, tz: ZoneInfo) -> int | None:
        """Return the first time after ``ms``, in Unix ms, or None."""
        local = moment_of(ms, tz).replace(tzinfo=None)
        years = 0
        if self._frequency not in _STEP:
            # The calendar repeats every 400 years: in the last cycle a vain search ends soon.
            left = 9999 - _AHEAD - max(local.year, self._first.year)
            years = max(0, left // _CYCLE * _CYCLE)
        first = _later(_near(self._first, local, self._frequency, self._every), years)
        # Two hours earlier: when the clock is put back, a later time may show less on it.
        for found in self._times(first, _later(local - timedelta(hours=2), years)):
            each = _later(found, -years)
            if self._until is not None and each > self._until:
                return None
            if (moment := milliseconds_of(each.replace(tzinfo=tz).astimezone(UTC))) > ms:
                return moment
        return None

    def _times(self, first: datetime, after: datetime) -> Iterator[datetime]:
        from dateutil.rrule import rrulestr

        times: Iterator[datetime] = rrulestr(self._text, dtstart=first).xafter(after)
        return times


def _later(moment: datetime, years: int) -> datetime:
    return moment.replace(year=moment.year + years)


def _check(text: str, parts: dict[str, str]) -> None:
    frequency = parts.get("FREQ")
    if re.search(r"[\n:]", text) or frequency not in _FREQUENCIES:
        raise ValueError(f"no recurrence rule: write FREQ= with one of {', '.join(_FREQUENCIES)}")
    if not re.fullmatch(r"[1-9]\d{0,3}", parts.get("INTERVAL", "1")):
        raise ValueError("INTERVAL must be 1 to 9999")
    if "COUNT" in parts:
        raise ValueError("COUNT is not supported: end a rule with UNTIL")
    refused = _COARSE.intersection(parts) if frequency in _STEP else {"BYEASTER"} & parts.keys()
    if refused:
        raise ValueError(f"{min(refused)} does not go with FREQ={frequency}")


def _ending(until: str, tz: ZoneInfo) -> datetime:
    """Return an ``UNTIL`` as local time; one that is a date includes that day."""
    formats = {8: "%Y%m%d", 15: "%Y%m%dT%H%M%S", 16: "%Y%m%dT%H%M%SZ"}
    try:
        moment = datetime.strptime(until, formats[len(until)])  # noqa: DTZ007 - as it is written
    except (KeyError, ValueError) as error:
        raise ValueError("UNTIL is written 20261231 or 20261231T235959Z") from error
    if until.endswith("Z"):
        return moment.replace(tzinfo=UTC).astimezone(tz).replace(tzinfo=None)
    return moment if "T" in until else moment + timedelta(days=1, microseconds=-1)


def _near(first: datetime, local: datetime, frequency: str, every: int) -> datetime:
    """Return a time of the same rhythm shortly before ``local``: rules count from their start."""
    if frequency in _STEP:
        step = _STEP[frequency] * every
        return first + max(0, (local - first) // step - 1) * step
    months = lcm(every * (12 if frequency == "YEARLY" else 1), _LEAP_MONTHS)
    passed = (local.year - first.year) * 12 // months - 1
    try:
        return _later(first, max(0, passed) * months // 12)
    except ValueError:  # the 29th of February of a century's year
        return first


def _that_comes_up(following: NextTime) -> NextTime:
    if following(0) is None:
        raise ValueError("it never comes up")
    return following
