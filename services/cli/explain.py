"""``upshot automation explain``: why it fired on an event, or the first reason why it did not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import times
from .printing import cell, console, note, say_json, styled
from .promoting import app as app
from .session import Context, Format, Output

if TYPE_CHECKING:
    from rich.tree import Tree

_MARKS = {True: ("✓", "green"), False: ("✗", "red"), None: ("·", "dim")}


@app.command()
def explain(
    context: Context,
    name: Annotated[str, typer.Argument(help="The automation's name.")],
    event: Annotated[
        str | None,
        typer.Option("--event", "-e", metavar="ID|FILE", help="A recorded event, or one as JSON."),
    ] = None,
    last: Annotated[
        int | None, typer.Option(min=1, max=100, help="Show so many of the latest near misses.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="How far back to look: a time, or how long ago: 2d.")
    ] = None,
    output: Output = Format.TABLE,
) -> None:
    """Tell why an automation fired on an event, or the first reason why it did not.

    Example: upshot automation explain suspicious-logins --event login-17

    Example: upshot automation explain suspicious-logins --last 3
    """
    if (event is None) == (last is None):
        raise typer.BadParameter("give either --event or --last", param_hint="--event")
    asked = {"automation": name, "event": event and _event(event), "last": last, "since": since}
    found = context.obj.client.post("/automations/explain", asked)
    if output is Format.JSON:
        say_json(found)
        return
    items = found["items"] if last is not None else [found]
    if not items:
        note("no event that it waits for came without firing it")
    for item in items:
        console().print(tree(item))


def _event(given: str) -> Any:
    """Return the event in a file, or the id that is given."""
    path = Path(given)
    if not (path.suffix == ".json" or path.is_file()):
        return given
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise typer.BadParameter(f"{path}: not JSON: {error}", param_hint="--event") from error


def tree(found: Mapping[str, Any]) -> Tree:
    """Return an explanation as a tree for people."""
    from rich.tree import Tree

    event = found["event"]
    mark, style = _MARKS[found["fired"]]
    verb = "fires" if found["fired"] else "does not fire"
    root = Tree(
        styled(
            [
                (f"{mark} {cell(found['automation'])} {verb}: {found['reason']}", style),
                (f"  on {cell(event['event'])} {cell(event['resource']['id'])}", ""),
                (f"  {times.local(event['received'])}", "dim"),
            ]
        )
    )
    _grow(root, found["tree"])
    return root


def _grow(branch: Tree, part: Mapping[str, Any]) -> None:
    """Add a trigger, what it asks, and the triggers within it."""
    mark, style = _MARKS[part["fires"]]
    bucket = ", ".join(f"{key}={cell(value)}" for key, value in part["bucket"].items())
    head = [(f"{mark} {part['trigger']}", style), (f"  {part['verdict']}", style)]
    head += [(f"  [{bucket}]", "cyan")] if bucket else []
    grown = branch.add(styled([*head, (window(part["window"]), "dim")]))
    for check in part["checks"]:
        mark, style = _MARKS[check["met"]]
        expected, actual = cell(check["expected"]), cell(check["actual"])
        line = f"{cell(check['what'])}: expected {expected}, actual {actual}"
        grown.add(styled([(f"{mark} ", style), (line, "")]))
    for inner in part["parts"]:
        _grow(grown, inner)


def window(found: Mapping[str, Any] | None) -> str:
    """Return when an open window ends."""
    if not found or not found["ends"]:
        return ""
    return f"  window ends {times.local(found['ends'])}"
