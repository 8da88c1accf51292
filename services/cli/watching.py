"""Waits for a run to end, and shows its log meanwhile."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from . import times
from .following import follow
from .printing import cell, console, harmless, note, say, say_json, styled
from .session import Format

if TYPE_CHECKING:
    from upshot.services.client import Client

_LEVELS: Final = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "bold red", "DEBUG": "dim"}


def watch(
    client: Client, run_id: str, *, quiet: bool = False, after: str | None = None
) -> dict[str, Any]:
    """Return a run when it has ended; print its log until then unless ``quiet``.

    What it waits for before it begins is told at once. ``after`` is the position of the last line
    that is not wanted, as of an earlier attempt.
    """
    begin = {"cursor": after} if after else {}
    for message in follow(client, f"/runs/{run_id}/logs", {"follow": True, **begin}):
        if message.name == "end":
            ended: dict[str, Any] = message.data
            return ended
        if message.name == "waits":
            note(message.data["message"])
        elif not quiet:
            print_line(message.data)
    raise AssertionError("a followed log ends with its run")


def completed(run: dict[str, Any]) -> bool:
    """Tell whether a run did what it should."""
    return bool(run["state"]["type"] == "Completed")


def tell(run: dict[str, Any], output: Format) -> None:
    """Print how a run is, and its id for programs."""
    if output is Format.JSON:
        say_json(run)
        return
    state = run["state"]
    message = f": {cell(state['message'])}" if state.get("message") else ""
    note(f"{run['name']} is {state['name']}{message}")
    say(run["id"])


def print_line(item: dict[str, Any]) -> None:
    """Print one line of a run's log; the further lines of its message are indented."""
    level = str(item.get("level", "")).upper()
    task = f"{cell(item['task'])}: " if item.get("task") else ""
    first, *further = [harmless(part) for part in str(item["message"]).splitlines()] or [""]
    _print(times.clock(item["time"]), level, task, first)
    for text in further:
        print(f"  {text}", flush=True)  # noqa: T201


def _print(moment: str, level: str, task: str, text: str) -> None:
    if not sys.stdout.isatty():
        print(f"{moment}  {level:<7}  {task}{text}", flush=True)  # noqa: T201
        return
    style = _LEVELS.get(level, "")
    console().print(
        styled([(moment, "dim"), (f"  {level:<7}  ", style), (task, "cyan"), (text, "")])
    )
