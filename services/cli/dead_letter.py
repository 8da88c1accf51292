"""``upshot dead-letter``: actions that were given up."""

from __future__ import annotations

from typing import Annotated

import typer

from . import times
from .printing import Column, field, note, show, show_fields
from .session import Context, Format, Limit, Output

app = typer.Typer(
    help="Actions that were given up: see why, try again.\n\nExample: upshot dead-letter ls",
    no_args_is_help=True,
)


@app.command()
def ls(context: Context, limit: Limit = 100, output: Output = Format.TABLE) -> None:
    """List the dead letters.

    Example: upshot dead-letter ls
    """
    columns = [
        field("Id"),
        Column("Given up", lambda item: times.local(item.get("at"))),
        field("Automation"),
        field("Action", "type"),
        Column("To", lambda item: ", ".join(item.get("to") or ())),
        field("Reason", wide=True),
    ]
    items = context.obj.client.items("/dead-letters", limit=limit)
    show(items, columns, output, "there is no dead letter")


@app.command()
def inspect(
    context: Context,
    letter: Annotated[str, typer.Argument(metavar="ID", help="Its id.")],
    output: Output = Format.JSON,
) -> None:
    """Show a dead letter, with what a replay would do again.

    Example: upshot dead-letter inspect 1763622000123-0
    """
    show_fields(context.obj.client.get(f"/dead-letters/{letter}"), output)


@app.command()
def replay(
    context: Context,
    letter: Annotated[list[str] | None, typer.Argument(metavar="ID", help="One or more.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
) -> None:
    """Do given-up actions again, with the same idempotency key.

    Example: upshot dead-letter replay 1763622000123-0
    """
    if everything == bool(letter):
        raise typer.BadParameter("give one ID or more, or --all")
    client = context.obj.client
    ids = letter or [item["id"] for item in client.items("/dead-letters")]
    for each in ids:
        client.post(f"/dead-letters/{each}/replay")
    note(f"{len(ids):,} replayed")


@app.command()
def delete(
    context: Context,
    letter: Annotated[list[str], typer.Argument(metavar="ID", help="One or more.")],
) -> None:
    """Throw dead letters away.

    Example: upshot dead-letter delete 1763622000123-0
    """
    for each in letter:
        context.obj.client.delete(f"/dead-letters/{each}")
    note(f"{len(letter):,} deleted")
