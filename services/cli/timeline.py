"""Tells the story of a run: what led to it, its states, its tasks, in the order of time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from upshot.events.ids import derived_id

from . import times
from .printing import cell, event_style, state_style

if TYPE_CHECKING:
    from upshot.services.client import Client

_MOST_TASKS: Final = 20
_FIRINGS_SEARCHED: Final = 2000
_SECOND: Final = timedelta(seconds=1)
_CLOCKS_DIFFER: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a timeline."""

    time: str
    what: str
    detail: str
    style: str = ""


@dataclass(frozen=True, slots=True)
class Story:
    """What is known of a run.

    Attributes:
        events: of the run itself, oldest first.
        sums: how its task runs stand, task by task.
        tasks: its task runs, oldest first; none where they are only summed up.
        causes: the firings that made or retried it, with the ``event`` of each where it is known.
    """

    run: Mapping[str, Any]
    events: Sequence[Mapping[str, Any]]
    sums: Sequence[Mapping[str, Any]]
    tasks: Sequence[Mapping[str, Any]]
    causes: Sequence[Mapping[str, Any]]


def history(client: Client, run: Mapping[str, Any], *, all_tasks: bool) -> Story:
    """Gather the story of a run from the API; many task runs only if ``all_tasks``."""
    resource = f"flow-run.{run['id']}"
    before = datetime.fromisoformat(run["created"]) - _CLOCKS_DIFFER
    events = client.items("/events", {"resource": resource, "since": before.isoformat()})
    sums = client.get(f"/runs/{run['id']}/tasks")["items"]
    each_one = all_tasks or sum(task["runs"] for task in sums) <= _MOST_TASKS
    tasks = client.items(f"/runs/{run['id']}/task-runs") if each_one else []
    followed = {event["follows"] for event in events if event.get("follows")}
    causes = list(
        _causes(client, followed | ({run["caused_by"]} if run.get("caused_by") else set()))
    )
    return Story(run, sorted(events, key=_position), sums, tasks, causes)


def _causes(client: Client, followed: set[str]) -> Iterator[dict[str, Any]]:
    """Yield the firings whose actions are among the events that were followed."""
    if not followed:
        return
    for firing in client.iterate("/firings", limit=_FIRINGS_SEARCHED):
        actions = range(len(firing.get("actions", [])))
        mine = {derived_id("triggered", firing["id"], str(index)) for index in actions} & followed
        if mine:
            yield {**firing, "event": _event_at(client, (firing.get("positions") or [None])[-1])}
            followed -= mine
        if not followed:
            return


def _event_at(client: Client, position: str | None) -> dict[str, Any] | None:
    """Return the event at a place in the log, unless it was trimmed."""
    if position is None:
        return None
    moment = datetime.fromtimestamp(int(position.partition("-")[0]) / 1000, UTC)
    query = {"since": (moment - _SECOND).isoformat(), "until": (moment + _SECOND).isoformat()}
    found = client.iterate("/events", query)
    return next((event for event in found if event["position"] == position), None)


def _position(event: Mapping[str, Any]) -> tuple[int, int]:
    time, _, sequence = event["position"].partition("-")
    return int(time), int(sequence)


def rows(story: Story) -> list[Row]:
    """Return the timeline of a story."""
    # Sorting keeps this order among what has the same time: first the cause, then the effect.
    found = [*_origin_rows(story), *map(_state_row, story.events), *map(_fired_row, story.causes)]
    if story.tasks:
        found += [_task_row(task) for task in story.tasks]
    elif story.sums:
        found.append(_summary_row(story.sums))
    return sorted(found, key=lambda row: times.parse(row.time) or times.now())


def _origin_rows(story: Story) -> Iterator[Row]:
    """Yield the events that made an automation fire, but for the run's own: they are there."""
    own = {event["position"] for event in story.events}
    for firing in story.causes:
        event = firing["event"]
        if event is not None and event["position"] not in own:
            yield _event_row(event)


def _fired_row(firing: Mapping[str, Any]) -> Row:
    at = datetime.fromtimestamp(firing["at"] / 1000, UTC).isoformat()
    kinds = ", ".join(map(str, firing.get("actions", [])))
    detail = f"{cell(firing.get('automation'))}: {firing.get('reason')} → {kinds}"
    return Row(at, "automation.fired", detail, event_style("automation.fired"))


def _event_row(event: Mapping[str, Any]) -> Row:
    resource = event["resource"]
    name = f" ({cell(resource['name'])})" if resource.get("name") else ""
    return Row(
        event["received"],
        event["event"],
        f"{cell(resource['id'])}{name}",
        event_style(event["event"]),
    )


def _state_row(event: Mapping[str, Any]) -> Row:
    state = event["payload"].get("state") or {}
    attempt = event["payload"].get("attempt") or 0
    note = f"attempt {attempt}" if attempt > 1 else ""
    detail = ", ".join(
        part for part in (note, cell(state.get("message") or None)) if part and part != "-"
    )
    return Row(
        event["received"],
        state.get("name", event["event"]),
        detail,
        state_style(state.get("type", "")),
    )


def _task_row(task: Mapping[str, Any]) -> Row:
    state = task.get("state") or {}
    took = times.between(task.get("started"), task.get("ended"), times.now())
    message = f": {cell(state['message'])}" if state.get("message") else ""
    detail = f"{state.get('name', '')} in {took}{message}"
    began = task.get("started") or task.get("created") or state.get("timestamp")
    return Row(
        str(began), f"  {cell(task.get('name'))}", detail, state_style(state.get("type", ""))
    )


def _summary_row(sums: Sequence[Mapping[str, Any]]) -> Row:
    counts: Counter[str] = Counter()
    for task in sums:
        counts.update(task["states"])
    detail = ", ".join(f"{count:,} {name}" for name, count in counts.most_common())
    latest = max(task["ended"] or task["started"] or task["created"] for task in sums)
    return Row(latest, f"  {counts.total():,} task runs", f"{detail} (--tasks shows each)")
