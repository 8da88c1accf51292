"""``upshot automation promote``: a shadow that has proved itself acts from now on."""

from __future__ import annotations

from typing import Annotated

import typer

from .automation import path
from .printing import note
from .session import Context
from .versions import app as app


@app.command()
def promote(
    context: Context,
    name: Annotated[str, typer.Argument(help="The shadow's name.")],
    replaces: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Pause this automation in the same step."),
    ] = None,
) -> None:
    """Let a shadow act from now on; its trigger goes on with what it has counted.

    Example: upshot automation promote logins-stricter --replaces logins
    """
    client = context.obj.client
    headers = {"If-Match": f'"{client.get(path(name))["version"]}"'}
    made = client.post(f"{path(name)}/promote", {"replaces": replaces}, headers=headers)
    note(f"{name} acts from now on, as version {made['version']}, with what it has counted")
    if made.get("paused"):
        note(f"it is paused: `upshot automation resume {name}` lets it go on")
    if replaces is not None:
        note(f"{replaces} is paused")
    note("take `shadow: true` out of its file, or the next apply makes it a shadow again")
