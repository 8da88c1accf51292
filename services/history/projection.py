"""What a stretch of the log becomes in the database: rows for its events, and what they touched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic_core import from_json, to_json

from upshot.events.event import Recorded
from upshot.events.log import recorded
from upshot.events.places import Place
from upshot.flows.runs.flowrun import FlowRun

from .bulk import Row
from .tables import INDEXED_LENGTH

_RUN: Final = "flow-run."
_TASK: Final = "task-run."


@dataclass(slots=True)
class Stretch:
    """A stretch of the log, as far as it was read.

    Attributes:
        cursor: position of its last event.
        events: rows of the table, oldest first.
        runs: ids of flow runs that changed → Unix ms of the last change.
        tasks: ids of task runs that changed, each with its flow run's.
        firings: ids of firings that are new or got an outcome.
        size: bytes of the events' JSON.
    """

    cursor: str
    events: list[Row] = field(default_factory=list)
    runs: dict[str, int] = field(default_factory=dict)
    tasks: dict[tuple[str, str], None] = field(default_factory=dict)
    firings: dict[str, None] = field(default_factory=dict)
    size: int = 0

    def add(self, entries: Sequence[Any]) -> None:
        """Take raw stream entries, each ``[id, [field, value]]``."""
        for entry in entries:
            event = recorded(entry)
            self.cursor = event.position
            self.size += event.size
            # What is no event is kept as what readers of the log make of it.
            text = entry[1][1] if event.size else to_json(event.body)
            seq = int(self.cursor.partition("-")[2])
            row = _event_row(event.received, seq, event.body, text.decode(), event.own)
            self.events.append(row)
            if event.own:
                self._note(event.body, event.received)

    def _note(self, body: dict[str, Any], received: int) -> None:
        """Note what Upshot's own event changed; nobody outside can make one."""
        name, resource = body["event"], body["resource"]["id"]
        if name.startswith(_RUN):
            self.runs[resource.removeprefix(_RUN)] = received
        elif name.startswith(_TASK):
            run = _flow_run_of(body["related"])
            self.tasks[run, resource.removeprefix(_TASK)] = None
        else:
            firing = body["payload"].get("firing")
            if isinstance(firing, str) and firing:
                self.firings[firing] = None


def _flow_run_of(related: Sequence[dict[str, str]]) -> str:
    owner = next((each for each in related if each.get("role") == "flow-run"), {"id": ""})
    return owner["id"].removeprefix(_RUN)


def indexed(text: str) -> str:
    """Return a text as an index takes it; the whole one is in the row's JSON."""
    return text[:INDEXED_LENGTH].replace("\x00", "\ufffd")


def _event_row(received: int, seq: int, body: dict[str, Any], text: str, own: bool) -> Row:
    resource = indexed(body["resource"]["id"])
    return (
        received, seq, body["id"], body["event"], body["occurred"], resource, own,
        body.get("follows"), text,
    )  # fmt: skip


def event_of(received: int, seq: int, own: bool, text: str) -> Recorded:
    """Return the event of a row."""
    return Recorded(f"{received}-{seq}", received, from_json(text), bool(own))


def run_row(run: FlowRun, created: int, changed: int) -> Row:
    """Return a flow run's row; times in Unix ms."""
    state, deployment = run.state, run.deployment
    return (
        run.id, created, changed, state.ended, indexed(run.name), indexed(run.flow),
        None if deployment is None else indexed(deployment), state.type.value, state.name,
        to_json(run.to_dict()).decode(), run.parent,
    )  # fmt: skip


def task_row(run: str, task: str, stored: bytes) -> Row:
    """Return a task run's row from what the store keeps: ``<Type> <JSON>``."""
    kind, _, text = stored.partition(b" ")
    record = from_json(text)
    name = record["state"]["name"]
    return (run, task, record["created"], kind.decode(), name, text.decode())


def firing_row(place: Place, firing: dict[str, Any]) -> Row:
    """Return the row of a firing as answers show it."""
    name, identity = indexed(firing["automation"]), firing["automation_id"]
    return (place.id, place.ms, name, identity, to_json(firing).decode())
