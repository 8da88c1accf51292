"""Runs the tests that stand beside a rule: by the code that runs live, on a virtual clock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from upshot.events.durations import format_duration, milliseconds
from upshot.events.event import Recorded

from ..conditions.given import OfGiven
from ..definition import Automation
from ..testcases import ExpectedFiring, ExpectedSuppression, TestCase
from ..triggers import Reason
from ..triggers.clock import milliseconds_of
from .backtest import Backtest
from .rendering import Lookups


@dataclass(slots=True, frozen=True)
class Ended:
    """How a test ended.

    Attributes:
        automation, name: which test of which automation.
        problems: what was otherwise than expected; it passed where there are none.
    """

    automation: str
    name: str
    problems: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether everything was as expected."""
        return not self.problems

    def to_dict(self) -> dict[str, Any]:
        """Return the outcome as data."""
        return {
            "automation": self.automation,
            "name": self.name,
            "passed": self.passed,
            "problems": list(self.problems),
        }


def run(automation: Automation, lookups: Lookups | None = None) -> list[Ended]:
    """Run all tests of an automation.

    Args:
        lookups: what templates see besides the firing and its events.
    """
    return [run_one(automation, case, lookups) for case in automation.tests]


def run_one(automation: Automation, case: TestCase, lookups: Lookups | None = None) -> Ended:
    """Run one test."""
    start = milliseconds_of(case.start)
    events = list(_events(case, start))
    ends = max([start + milliseconds(case.until), *(each.received for each in events)])
    backtest = Backtest(
        automation,
        start,
        lookups=_with_variables(lookups or Lookups(), case.given.variables),
        answerer=OfGiven(case.given, case.start),
        takes=milliseconds(case.takes),
    )
    backtest.feed(events)
    # What is due at the very end is due: the clock has come past it.
    result = backtest.finish(ends + 1)
    problems = (
        *_problems(case, start, result.firings),
        *_of_suppressed(case, start, result.suppressed),
        *_unanswered(case, result.suppressed),
    )
    return Ended(automation.name, case.name, problems)


def _with_variables(lookups: Lookups, given: Mapping[str, Any]) -> Lookups:
    return replace(lookups, variables={**lookups.variables, **given}) if given else lookups


def _unanswered(case: TestCase, suppressed: list[dict[str, Any]]) -> Iterator[str]:
    """Yield why conditions could not be judged: most often, a test doesn't say what there is."""
    if any(each.reason == Reason.CONDITION_ERROR for each in case.suppressed or ()):
        return
    failed = [each["message"] for each in suppressed if each["reason"] == Reason.CONDITION_ERROR]
    yield from (f"condition: {message}" for message in dict.fromkeys(failed))


def _events(case: TestCase, start: int) -> Iterator[Recorded]:
    at = 0
    for number, given in enumerate(case.events):
        at = at if given.at is None else max(at, milliseconds(given.at))
        body = {
            "id": given.id or f"event-{number + 1}",
            "event": given.event,
            "occurred": (case.start + timedelta(milliseconds=at)).isoformat(),
            "resource": given.resource,
            "related": list(given.related),
            "payload": given.payload,
            "follows": None,
        }
        yield Recorded(f"{start + at}-{number}", start + at, body)


def _problems(case: TestCase, start: int, fired: list[dict[str, Any]]) -> Iterator[str]:
    if len(fired) != len(case.expect):
        times = ", ".join(f"{_when(each, start)} ({each['reason']})" for each in fired)
        told = f": at {times}" if fired else ""
        wanted = f"{len(case.expect)} firing{'' if len(case.expect) == 1 else 's'}"
        yield f"expected {wanted}, actual {len(fired)}{told}"
    for number, (expected, actual) in enumerate(zip(case.expect, fired, strict=False), 1):
        for problem in _differences(expected, actual, start):
            yield f"firing {number}: {problem}"


def _of_suppressed(case: TestCase, start: int, suppressed: list[dict[str, Any]]) -> Iterator[str]:
    if case.suppressed is None:
        return
    if len(suppressed) != len(case.suppressed):
        times = ", ".join(f"{_when(each, start)} ({each['reason']})" for each in suppressed)
        told = f": at {times}" if suppressed else ""
        yield f"expected {len(case.suppressed)} suppressed, actual {len(suppressed)}{told}"
    for number, (expected, actual) in enumerate(zip(case.suppressed, suppressed, strict=False), 1):
        for problem in _general_differences(expected, actual, start):
            yield f"suppressed {number}: {problem}"


def _when(firing: dict[str, Any], start: int) -> str:
    return "+" + format_duration(timedelta(milliseconds=firing["at"] - start))


def _general_differences(
    expected: ExpectedFiring | ExpectedSuppression, actual: dict[str, Any], start: int
) -> Iterator[str]:
    if expected.at is not None and milliseconds(expected.at) != actual["at"] - start:
        yield f"at: expected +{format_duration(expected.at)}, actual {_when(actual, start)}"
    if expected.reason not in (None, actual["reason"]):
        yield f"reason: expected {expected.reason}, actual {actual['reason']}"
    if expected.bucket not in (None, actual["labels"]):
        yield f"bucket: expected {expected.bucket}, actual {actual['labels']}"


def _differences(expected: ExpectedFiring, actual: dict[str, Any], start: int) -> Iterator[str]:
    yield from _general_differences(expected, actual, start)
    if expected.branch not in (None, actual["branch"]):
        yield f"branch: expected {expected.branch}, actual {actual['branch']}"
    done = [each for each in actual["actions"] if each["outcome"] != "skipped"]
    for each in done:
        if each["outcome"] == "failed":
            yield f"{each['type']} can't be filled in: {each['detail']}"
    if expected.actions is not None:
        yield from _of_actions(expected.actions, done)


def _of_actions(
    expected: tuple[str | dict[str, dict[str, Any]], ...], done: list[dict[str, Any]]
) -> Iterator[str]:
    kinds = [each if isinstance(each, str) else next(iter(each)) for each in expected]
    actual = [each["type"] for each in done]
    if kinds != actual:
        wanted_kinds, done_kinds = ", ".join(kinds) or "none", ", ".join(actual) or "none"
        yield f"actions: expected {wanted_kinds}, actual {done_kinds}"
        return
    for wanted, action in zip(expected, done, strict=True):
        if isinstance(wanted, dict):
            arguments = wanted[action["type"]]
            yield from _within(action["type"], arguments, action.get("arguments", {}))


def _within(place: str, expected: Any, actual: Any) -> Iterator[str]:
    """Yield where data lacks what is expected of it; more than that may be in it."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        for key, value in expected.items():
            yield from _within(f"{place}.{key}", value, actual.get(key))
    elif isinstance(actual, list) and not isinstance(expected, list) and len(actual) == 1:
        yield from _within(place, expected, actual[0])
    elif expected != actual:
        yield f"{place}: expected {expected!r}, actual {actual!r}"
