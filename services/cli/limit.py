"""``upshot limit``: how much may be under way at a time, and who has it."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import typer

from .printing import Column, field, note, show
from .session import Context, Format, Output

app = typer.Typer(
    help="Limits of what runs at a time: list, create, delete, reset."
    "\n\nExample: upshot limit create tag:database 10",
    no_args_is_help=True,
)

_Name = Annotated[str, typer.Argument(help="What flows name; or tag:…, work-pool:…, deployment:….")]


@app.command()
def ls(context: Context, output: Output = Format.TABLE) -> None:
    """List the limits: how many slots each has, how many are used, who waits.

    Example: upshot limit ls
    """
    columns = [
        field("Name"),
        field("Limit"),
        field("Used"),
        field("Waiting"),
        Column("Per second", lambda item: item.get("slot_decay_per_second")),
        Column("Active", lambda item: bool(item.get("active"))),
        Column("Holders", lambda item: [each["run"] for each in item["holders"]], wide=True),
    ]
    items = context.obj.client.items("/limits-in-use")
    show(items, columns, output, "there is no limit; make one with `upshot limit create`")


@app.command()
def create(
    context: Context,
    name: _Name,
    slots: Annotated[int, typer.Argument(help="How many at a time.", min=1)],
    decay: Annotated[
        float | None,
        typer.Option("--decay", help="For rate_limit: slots that are free again each second."),
    ] = None,
) -> None:
    """Create a limit.

    Example: upshot limit create tag:database 10
    """
    body: dict[str, Any] = {"name": name, "limit": slots}
    if decay is not None:
        body["slot_decay_per_second"] = decay
    context.obj.client.post("/limits", body)
    note(f"{name} is limited to {slots}")


@app.command()
def delete(context: Context, name: _Name) -> None:
    """Delete a limit; who waits for it goes on.

    Example: upshot limit delete tag:database
    """
    context.obj.client.delete(f"/limits/{quote(name)}")
    note(f"{name} is no limit any more")


@app.command()
def reset(context: Context, name: _Name) -> None:
    """Take the slots of a limit from all that have some; who waits is served.

    Example: upshot limit reset tag:database
    """
    released = context.obj.client.post(f"/limits/{quote(name)}/reset")["released"]
    note(f"{released} holders of {name} have no slots any more")
