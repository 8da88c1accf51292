"""What every command takes besides its own options, as people type it there, too."""

from __future__ import annotations

import os
from typing import Annotated, Any

import typer
from typer.main import get_command

from .session import Context

_shared = typer.Typer(add_completion=False)


def _keep_url(context: Context, value: str | None) -> None:
    if value is not None:
        context.obj.url = value


def _keep_debug(context: Context, value: bool) -> None:
    if value:
        context.obj.debug = True


@_shared.command()
def _any(
    url: Annotated[
        str | None,
        typer.Option(hidden=True, expose_value=False, callback=_keep_url, metavar="URL"),
    ] = None,
    debug: Annotated[
        bool,
        typer.Option("--debug", hidden=True, expose_value=False, callback=_keep_debug),
    ] = False,
) -> None:
    """Nothing: it is where the options are declared."""


def accept_everywhere(command: Any) -> Any:
    """Let a command, and each one in it, take ``--url`` and ``--debug``; return it."""
    taken = {name for each in command.params for name in each.opts}
    shared = get_command(_shared).params
    command.params += [each for each in shared if taken.isdisjoint(each.opts)]
    for child in getattr(command, "commands", {}).values():
        accept_everywhere(child)
    return command


def not_text(arguments: list[str]) -> str | None:
    """Return what is wrong with the first argument that is no UTF-8, as a shell may give it."""
    for each in arguments:
        try:
            each.encode()
        except UnicodeEncodeError:
            shown = os.fsencode(each).decode("utf-8", "backslashreplace")
            return f"argument '{shown}': it is not UTF-8"
    return None
