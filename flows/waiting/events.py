"""``wait_for_event``: a flow waits for an event, without a process when that takes long.

The run is paused with what it waits for in its record; a service that reads the log answers it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from pydantic_core import to_json

from ..calls.parameters import as_json
from ..context import RunContext
from ..exceptions import EventTimeout, InvalidWait
from ..given import DICT, SECONDS, SPAN, TEXT, TIME, Kind, maybe, require, texts
from ..joining.store import join
from ..runs.flowrun import Pause
from .asking import Question, ask, flow_place, key_of
from .interaction import Seconds, in_seconds

if TYPE_CHECKING:
    from upshot.events.event import Event

    from ..context import Here

_SINCE: Final = Kind(
    "a datetime with its timezone, a number of seconds, a timedelta or None",
    lambda since: since is None or TIME.fits(since) or SPAN.fits(since),
)
STAY: Final = 5.0
"""Seconds for which the process waits before it leaves."""


def wait_for_event(
    expect: str | Sequence[str] = (),
    *,
    match: Mapping[str, str | Sequence[str]] | None = None,
    match_related: Mapping[str, Any] | Sequence[Mapping[str, Any]] = (),
    where: str | None = None,
    timeout: Seconds | None = None,
    since: datetime | Seconds | None = None,
    key: str | None = None,
    stay: float = STAY,
) -> Event:
    """Wait for an event and return it; in a coroutine, await it.

    Of several that fit it is the first one of the log. The same call in code that runs again, after
    a crash or a retry, returns the same event at once.

    Args:
        expect, match, match_related, where: which event, in the words of an automation's trigger.
        timeout: seconds to wait; None for ever. Judged on the log: an outage is no silence.
        since: counts events from then on: a time, or so many seconds ago. By default those since
            the run was asked for, or was due, where that is later; or after the event that an
            equal wait before this one returned.
        key: names the wait within the run; by default it is which wait of the flow's code this is.
        stay: after so many seconds the process leaves; the flow goes on in another one.

    Raises:
        EventTimeout: it did not come in time.
        InvalidWait: naming what can't be understood. WrongArgument: naming one that is none.
        OutsideRun: no flow is under way here, this is a task's code, or no service runs.
    """
    seconds = in_seconds(timeout)
    require(maybe(SECONDS), stay=stay)
    place = flow_place("wait_for_event")
    wanted = awaited_events(expect, match, match_related, where)
    spec, fixed = to_json(wanted), _fixed(since)

    def begin() -> str:
        return fixed or _after_last(place.context, spec)

    message = f"waits for {', '.join(wanted['expect']) or 'an event'}"
    event: Event = next_event(
        place, wanted, function="wait_for_event", message=message,
        begin=begin, seconds=seconds, stay=stay, key=key,
    )  # fmt: skip
    return event


def next_event(
    place: Here,
    wanted: dict[str, Any],
    *,
    function: str,
    message: str,
    begin: Callable[[], str],
    seconds: float | None,
    stay: float | None,
    key: str | None = None,
) -> Any:
    """Return the first event that is wanted; in a coroutine's flow, what to await for it.

    Args:
        function: which the flow called. message: of the paused state.
        begin: tells the log position after which events count, once those that waited for the same
            before have theirs.
        seconds: how long to wait. stay: None for a process that does not leave.

    Raises:
        EventTimeout, InvalidWait: as :func:`wait_for_event`.
    """
    if not place.context.flow_run.pool and not join().lasting:
        raise InvalidWait(f"{function}() needs the service that reads the log: `upshot up`")
    spec = to_json(wanted)
    pause = Pause(key_of(place, key, "event"), awaits=wanted)

    def read(answer: dict[str, Any]) -> Event:
        return _read(place.context, spec, answer)

    return ask(place, Question(pause, message, read, seconds, stay, line=spec, begin=begin))


def awaited_events(
    expect: Any, match: Any, match_related: Any = (), where: str | None = None
) -> dict[str, Any]:
    """Return which events a flow waits for, as its record says it.

    Raises:
        InvalidWait: nothing says which.
    """
    names = texts("expect", [expect] if isinstance(expect, str) else expect)
    if not names and not match and not match_related:
        raise InvalidWait("expect: say which event, or give a match")
    require(maybe(DICT), match=match)
    require(maybe(TEXT), where=where)
    related = [match_related] if isinstance(match_related, Mapping) else match_related
    require(Kind("a dict, or a list of dicts", _are_dicts), match_related=related)
    wanted = {"expect": names, "match": dict(match or {}), "match_related": list(related)}
    return {name: as_json(name, value) for name, value in wanted.items()} | {"where": where}


def _are_dicts(given: object) -> bool:
    return isinstance(given, Sequence) and all(isinstance(each, Mapping) for each in given)


def _fixed(since: datetime | Seconds | None) -> str:
    """Return the log position after which events count, where somebody has said that."""
    require(_SINCE, since=since)
    if since is None:
        return ""
    began = since.timestamp() if isinstance(since, datetime) else time.time() - _seconds(since)
    return f"{max(0, int(began * 1000))}-0"


def _seconds(span: Seconds) -> float:
    return span.total_seconds() if isinstance(span, timedelta) else span


def _after_last(context: RunContext, spec: bytes) -> str:
    """Return the place of what an equal wait was answered with, or else of the run's begin."""
    if spec in context.awaited:
        return context.awaited[spec]
    began = context.journal.execute("HGET", context.journal.keys("run", context.id), "began")
    return began.decode() if began else "0-0"


def _read(context: RunContext, spec: bytes, answer: dict[str, Any]) -> Event:
    from upshot.events.event import Event

    if error := answer.get("error"):
        raise InvalidWait(error)
    if "event" not in answer:
        raise EventTimeout("the event did not come in time")
    context.awaited[spec] = answer["position"]
    return Event.model_validate(answer["event"])
