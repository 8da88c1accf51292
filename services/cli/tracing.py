"""``upshot event trace``: what caused an event, and what came of it, as one tree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import quote

import typer

from .event import app as app
from .event import line
from .fired import asked, ended, why
from .printing import console, note, say_json, styled
from .session import Context, Format, Output

if TYPE_CHECKING:
    from rich.tree import Tree

_FIRED: Final = frozenset({"automation.fired", "automation.shadow-fired"})
_ENDED: Final = frozenset({"action.succeeded", "action.skipped", "action.failed"})


@app.command()
def trace(
    context: Context,
    event: Annotated[str, typer.Argument(metavar="ID", help="The event's id.")],
    output: Output = Format.TABLE,
) -> None:
    """Show what caused an event, and what came of it.

    Example: upshot event trace login-17
    """
    found = context.obj.client.get(f"/events/{quote(event, safe='')}/trace")
    if output is Format.JSON:
        say_json(found)
        return
    console().print(tree(found))
    if found["missing"]:
        note(f"the first cause, {found['missing']}, is not recorded")
    if found["more"]:
        note("there is more: trace one of the last events to see it")


def tree(found: Mapping[str, Any]) -> Tree:
    """Return a trace as a tree: each event below the one that caused it."""
    from rich.tree import Tree

    way, firings = [*found["causes"], found["event"]], found.get("firings") or {}
    root = branch = Tree(_line(way[0], way[0] is found["event"]))
    _tell(branch, way[0], firings)
    for each in way[1:]:
        branch = branch.add(_line(each, each is found["event"]))
        _tell(branch, each, firings)
    branches = {found["event"]["id"]: branch}
    for effect in found["effects"]:
        below = branches.get(effect["follows"], branch)
        branches[effect["id"]] = below.add(_line(effect, False))
        _tell(branches[effect["id"]], effect, firings)
    return root


def _tell(branch: Tree, event: Mapping[str, Any], firings: Mapping[str, Any]) -> None:
    """Add below an event what the firing's record says of it: why, or what was asked for."""
    payload = event.get("payload") or {}
    firing = firings.get(str(payload.get("firing")))
    if firing is None:
        return
    if event["event"] in _FIRED:
        for each in why(firing):
            branch.add(styled([each]))
    elif event["event"] in _ENDED:
        outcome = firing["outcomes"].get(str(payload.get("index")))
        for each in [ended(outcome, str(payload.get("type"))), *asked(outcome)]:
            branch.add(styled([each]))


def _line(event: Mapping[str, Any], asked_for: bool) -> Any:
    mark = [("▶ ", "bold cyan")] if asked_for else []
    return styled([*mark, *line(dict(event))])
