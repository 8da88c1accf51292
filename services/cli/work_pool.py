"""``upshot work-pool``: the queues that workers serve."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import typer

from .printing import Column, field, note, show
from .session import Context, Format, Output

app = typer.Typer(help="Work pools: list them, pause one.", no_args_is_help=True)

_Name = Annotated[str, typer.Argument(help="The pool's name.")]


@app.command()
def ls(context: Context, output: Output = Format.TABLE) -> None:
    """List the work pools: how many runs wait, and who serves them.

    Example: upshot work-pool ls
    """
    columns = [
        field("Name"),
        Column("Paused", lambda item: bool(item.get("paused"))),
        field("Queued"),
        field("Running"),
        field("Workers"),
    ]
    show(context.obj.client.items("/work-pools"), columns, output, "there is no work pool")


@app.command()
def pause(context: Context, name: _Name) -> None:
    """Let a pool's workers take no new runs; what runs goes on, and the rest waits.

    Example: upshot work-pool pause default
    """
    context.obj.client.post(f"/work-pools/{quote(name)}/pause")
    note(f"{name} is paused")


@app.command()
def resume(context: Context, name: _Name) -> None:
    """Let a paused pool's workers take runs again.

    Example: upshot work-pool resume default
    """
    context.obj.client.post(f"/work-pools/{quote(name)}/resume")
    note(f"{name} is on again")
