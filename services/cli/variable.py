"""``upshot variable``: values that flows, automations and people share."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import typer

from .giving import value_of
from .printing import cell, field, note, say, say_json, show
from .session import Context, Format, Output

app = typer.Typer(
    help="Variables, values that flows and automations share: list, get, set, unset."
    "\n\nExample: upshot variable set region eu",
    no_args_is_help=True,
)

_Name = Annotated[str, typer.Argument(metavar="NAME", help="The variable's name.")]


@app.command()
def ls(context: Context, output: Output = Format.TABLE) -> None:
    """List the variables.

    Example: upshot variable ls --output json
    """
    columns = [field("Name"), field("Value", wide=True)]
    show(context.obj.client.items("/variables"), columns, output, "there is no variable")


@app.command()
def get(context: Context, name: _Name, output: Output = Format.TABLE) -> None:
    """Print a variable's value.

    Example: upshot variable get region
    """
    value = context.obj.client.get(f"/variables/{quote(name)}")["value"]
    if output is Format.JSON:
        say_json(value)
    else:
        say(cell(value))


@app.command(name="set")
def set_(
    context: Context,
    name: _Name,
    value: Annotated[str, typer.Argument(metavar="VALUE", help="JSON, or else text.")],
) -> None:
    """Give a variable a value, whether it is there or not.

    Example: upshot variable set region eu
    """
    given = value_of(value, name, "VALUE")
    context.obj.client.post("/apply", {"variables": [{"name": name, "value": given}]})
    note(f"{name} is {cell(given)}")


@app.command()
def unset(context: Context, name: _Name) -> None:
    """Delete a variable.

    Example: upshot variable unset region
    """
    context.obj.client.delete(f"/variables/{quote(name)}")
    note(f"{name} is no variable any more")
