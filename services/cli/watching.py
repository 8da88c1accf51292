"""Waits for a run to end, and shows its log meanwhile."""

from __future__ import annotations

import sys
import time
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from . import times
from .printing import cell, harmless, note

if TYPE_CHECKING:
    from upshot.services.client import Client

ENDED: Final = frozenset({"Completed", "Failed", "Crashed", "Cancelled"})
_POLL: Final = 0.2  # seconds
_LEVELS: Final = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "bold red", "DEBUG": "dim"}


class Outcome(StrEnum):
    """How a run that was waited for ended."""

    COMPLETED = "completed"
    OTHERWISE = "otherwise"


def watch(client: Client, run_id: str, *, quiet: bool = False) -> Outcome:
    """Return when the run has ended; print its log lines until then unless ``quiet``."""
    after, shown = "0-0", ""
    while True:
        run = client.get(f"/runs/{run_id}")  # before the lines: what it logged is then complete
        state = run["state"]
        if not quiet:
            after = print_new_lines(client, run_id, after)
            if state["name"] != shown and state["type"] not in ENDED:
                note(f"{run['name']} is {state['name']}")
        shown = state["name"]
        if state["type"] in ENDED:
            done = state["type"] == "Completed"
            return Outcome.COMPLETED if done else Outcome.OTHERWISE
        time.sleep(_POLL)


def print_new_lines(client: Client, run_id: str, after: str) -> str:
    """Print what a run logged after a position; return the position reached."""
    for item in client.iterate(f"/runs/{run_id}/logs", {"after": after}):
        print_line(item)
        after = item["position"]
    return after


def print_line(item: dict[str, Any]) -> None:
    """Print one line of a run's log, each line of its message on its own."""
    level = str(item.get("level", "")).upper()
    task = f"{cell(item['task'])}: " if item.get("task") else ""
    lines = [harmless(part) for part in str(item.get("message", "")).splitlines()] or [""]
    for text in lines:
        _print(times.clock(item["time"]), level, task, text)


def _print(moment: str, level: str, task: str, text: str) -> None:
    if not sys.stdout.isatty():
        print(f"{moment}  {level:<7}  {task}{text}", flush=True)  # noqa: T201
        return
    from .printing import console, styled

    parts = [
        (moment, "dim"),
        (f"  {level:<7}  ", _LEVELS.get(level, "")),
        (task, "cyan"),
        (text, ""),
    ]
    console().print(styled(parts))
