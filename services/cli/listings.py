"""``upshot webhook|receiver ls``: what is only listed here, and applied by file."""

from __future__ import annotations

import typer

from .printing import Column, field, show
from .session import Context, Format, Output


def _listing(path: str, columns: list[Column], what: str, example: str) -> typer.Typer:
    """Return a group of commands with a listing in it."""
    group = typer.Typer(
        help=f"{what.capitalize()}s; `upshot apply` defines them.\n\nExample: {example}",
        no_args_is_help=True,
    )

    def ls(context: Context, output: Output = Format.TABLE) -> None:
        show(context.obj.client.items(path), columns, output, f"there is no {what}")

    ls.__doc__ = f"List the {what}s.\n\nExample: {example}"
    group.command()(ls)
    group.callback()(lambda: None)
    return group


WEBHOOKS = _listing(
    "/webhooks",
    [field("Name"), field("Preset"), field("Path")],
    "webhook",
    "upshot webhook ls",
)
RECEIVERS = _listing(
    "/receivers",
    [field("Name"), field("URL", "url", wide=True)],
    "receiver",
    "upshot receiver ls",
)
