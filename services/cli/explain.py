"""``upshot automation explain``: why it fired on an event, or the first reason why it did not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from .explained import tree
from .firing import app as app
from .printing import console, note, say, say_json
from .session import Context, Format, Output


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
        if item is not items[-1]:
            say()
    if "lookups" in found:
        note(f"what conditions look up is {found['lookups']}")


def _event(given: str) -> Any:
    """Return the event in a file, or the id that is given."""
    path = Path(given)
    if not (path.suffix == ".json" or path.is_file()):
        return given
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise typer.BadParameter(f"{path}: not JSON: {error}", param_hint="--event") from error
