"""``upshot automation versions`` and ``rollback``: what a definition was, and back to it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from . import times
from .automation import app as app
from .automation import path
from .printing import Column, field, note, say_json, show
from .session import Context, Format, Output

_Name = Annotated[str, typer.Argument(help="The automation's name.")]


@app.command()
def versions(
    context: Context,
    name: _Name,
    version: Annotated[int | None, typer.Option(min=1, help="Show this one whole.")] = None,
    output: Output = Format.TABLE,
) -> None:
    """List the latest versions of an automation, newest first, or show one of them.

    Example: upshot automation versions suspicious-logins
    """
    if version is not None:
        say_json(context.obj.client.get(f"{path(name)}/versions/{version}"))
        return
    items = context.obj.client.items(f"{path(name)}/versions")
    columns = [
        field("Version"),
        Column("When", lambda item: times.local(item.get("at"))),
        field("Change"),
        Column("Fields", lambda item: ", ".join(item.get("fields") or []), wide=True),
    ]
    show(items, columns, output, "it never was")


@app.command()
def rollback(
    context: Context,
    name: _Name,
    version: Annotated[int, typer.Argument(min=1, help="The version to go back to.")],
) -> None:
    """Make an automation what it was at an earlier version; a deleted one comes back.

    Example: upshot automation rollback suspicious-logins 3
    """
    client = context.obj.client
    latest, *_ = client.items(f"{path(name)}/versions", limit=1) or [{"change": "deleted"}]
    definition = client.get(f"{path(name)}/versions/{version}")["definition"]
    if definition is None:
        raise typer.BadParameter(f"version {version} is a deletion: there is nothing to go back to")
    given = {key: value for key, value in definition.items() if key != "paused"}
    gone = latest["change"] == "deleted"
    condition = {"If-None-Match": "*"} if gone else {"If-Match": f'"{latest["version"]}"'}
    made: dict[str, Any] = client.put(path(name), given, headers=condition)
    note(f"{name} is what it was at version {version}; it now is at version {made['version']}")
