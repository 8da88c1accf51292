"""``upshot automation firing``: all that is recorded of one firing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from . import times
from .event import line
from .fired import Line, asked, cut, ended, why
from .printing import console, say_json, styled
from .promoting import app as app
from .session import Context, Format, Output

if TYPE_CHECKING:
    from rich.tree import Tree


@app.command()
def firing(
    context: Context,
    firing: Annotated[str, typer.Argument(metavar="ID", help="The firing's id.")],
    output: Output = Format.TABLE,
) -> None:
    """Show a firing: why it came about, its events, each action as it was filled in, its outcome.

    Example: upshot automation firing 0f9f2c1e-3f5c-5a62-9a3b-3ad5ba2d54d5
    """
    path = f"/firings/{quote(firing, safe='')}"
    found = context.obj.client.get(path)
    events = context.obj.client.items(f"{path}/events")
    if output is Format.JSON:
        say_json({**found, "event_details": events})
    else:
        console().print(tree(found, events))


def tree(found: dict[str, Any], events: list[dict[str, Any]]) -> Tree:
    """Return a firing as a tree."""
    from rich.tree import Tree

    shadow = " (a shadow: nothing was done)" if found.get("shadow") else ""
    version = f"version {found.get('version')}"
    head = f"{found['automation']} fired at {times.local(found.get('at'))}, {version}{shadow}"
    root = Tree(_text((cut(head), "bold")))
    for each in why(found):
        root.add(_text(each))
    missing = len(found.get("positions") or []) - len(events)
    came = root.add(
        _text((f"events: {len(events)}{f', {missing} not kept' if missing else ''}", ""))
    )
    for event in events:
        came.add(styled(line(event)))
    for index, kind in enumerate(found.get("actions") or []):
        outcome = (found.get("outcomes") or {}).get(str(index))
        below = root.add(_text(ended(outcome, kind)))
        for each in asked(outcome):
            below.add(_text(each))
    return root


def _text(line: Line) -> Any:
    return styled([line])
