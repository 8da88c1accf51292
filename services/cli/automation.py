"""``upshot automation``: what is defined, what it did, and whether it is paused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final
from urllib.parse import quote

import typer

from . import times
from .printing import Column, cell, field, note, say, say_json, show, show_one
from .session import Context, Format, Output
from .waiting import summary

app = typer.Typer(
    help="Automations: try, explain, list, inspect, pause them."
    "\n\nExample: upshot automation test rules.yaml",
    no_args_is_help=True,
)

_Name = Annotated[str, typer.Argument(help="The automation's name.")]
_FIRINGS = 10
_CLOSER: Final = ("match", "match_related", "where", "for_each")
"""Fields of a trigger that its summary leaves out."""
_CONTROL: Final = ("conditions", "control", "budget", "resolve", "on_resolve")
_USUAL: Final = {"max_depth": 1}
_ON_STYLES: Final = {"on": "green", "shadow": "cyan"}


def path(name: str) -> str:
    """Return the API's path of an automation."""
    return f"/automations/{quote(name, safe='')}"


def actions(automation: Mapping[str, Any]) -> str:
    """Return the kinds of an automation's actions."""
    return ", ".join(next(iter(action)) for action in automation.get("actions", []))


def is_on(automation: Mapping[str, Any]) -> str:
    """Return whether it is evaluated, and acts."""
    if automation.get("paused"):
        return "paused"
    if not automation.get("enabled", True):
        return "off"
    return "shadow" if automation.get("shadow") else "on"


@app.command()
def ls(context: Context, output: Output = Format.TABLE) -> None:
    """List the automations.

    Example: upshot automation ls
    """
    columns = [
        field("Name"),
        Column("On", is_on, lambda item: _ON_STYLES.get(is_on(item), "yellow")),
        Column("Waits for", lambda item: summary(item.get("trigger", {})), wide=True),
        Column("Actions", actions, wide=True),
    ]
    items = context.obj.client.items("/automations")
    show(items, columns, output, "there is no automation; define some with `upshot apply -f FILE`")


@app.command()
def inspect(context: Context, name: _Name, output: Output = Format.TABLE) -> None:
    """Show an automation: its definition and its latest firings.

    Example: upshot automation inspect suspicious-logins
    """
    client = context.obj.client
    found = client.get(path(name))
    firings = client.items("/firings", {"automation": name}, _FIRINGS)
    if output is Format.JSON:
        say_json({**found, "firings": firings})
        return
    rows = {
        "name": found.get("name"),
        "description": found.get("description"),
        "on": is_on(found),
        "waits for": summary(found.get("trigger", {})),
        **{f"  {key}": value for key, value in _set(found.get("trigger", {}), _CLOSER).items()},
        "actions": actions(found),
        **_set(found, _CONTROL),
    }
    show_one(found, output, rows)
    say()
    show_firings(firings, output)


def _set(found: Mapping[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    """Return those of the fields that say something, without what says nothing within them."""
    said: dict[str, Any] = {key: _said(found.get(key)) for key in keys}
    return {key: value for key, value in said.items() if value}


def _said(value: Any) -> Any:
    if isinstance(value, list) and value and all(isinstance(each, dict) for each in value):
        return ", ".join(next(iter(each), "") for each in value) if _are_actions(value) else value
    if not isinstance(value, dict):
        return value
    unsaid: tuple[Any, ...] = (None, [], {}, "")
    return {k: _said(v) for k, v in value.items() if v not in (*unsaid, _USUAL.get(k))}


def _are_actions(values: list[dict[str, Any]]) -> bool:
    """Tell actions, each a kind with its options, from other lists."""
    return all(len(each) == 1 and isinstance(next(iter(each.values())), dict) for each in values)


def show_firings(firings: list[dict[str, Any]], output: Format) -> None:
    """Print firings, newest first."""
    columns = [
        Column("Fired", lambda item: times.local(item.get("at"))),
        field("Automation"),
        field("Reason"),
        Column("Bucket", lambda item: ", ".join((item.get("labels") or {}).values()), wide=True),
        Column("Outcomes", outcomes, wide=True),
        field("Firing", "id", wide=True),
    ]
    show(firings, columns, output, "it has not fired yet")


def outcomes(firing: Mapping[str, Any]) -> str:
    """Return what became of each action of a firing."""
    kinds = [
        action if isinstance(action, str) else next(iter(action))
        for action in firing.get("actions", [])
    ]
    settled = firing.get("outcomes") or {}
    pairs = settled.items() if isinstance(settled, dict) else enumerate(settled)
    ended = {int(index): outcome for index, outcome in pairs}
    return ", ".join(
        f"{kind} {cell(ended[index].get('outcome')) if ended.get(index) else 'open'}"
        for index, kind in enumerate(kinds)
    )


@app.command()
def firings(
    context: Context,
    name: Annotated[str | None, typer.Argument(help="Only of this automation.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Show at most so many.")] = 50,
    output: Output = Format.TABLE,
) -> None:
    """List firings, newest first, with their reasons and what became of their actions.

    Example: upshot automation firings suspicious-logins
    """
    show_firings(context.obj.client.items("/firings", {"automation": name}, limit), output)


@app.command()
def pause(context: Context, name: _Name) -> None:
    """Stop evaluating an automation until it is resumed.

    Example: upshot automation pause suspicious-logins
    """
    context.obj.client.post(f"{path(name)}/pause")
    note(f"{name} is paused")


@app.command()
def resume(context: Context, name: _Name) -> None:
    """Evaluate a paused automation again, from now on.

    Example: upshot automation resume suspicious-logins
    """
    context.obj.client.post(f"{path(name)}/resume")
    note(f"{name} is on again")


@app.command()
def delete(context: Context, name: _Name) -> None:
    """Delete an automation.

    Example: upshot automation delete suspicious-logins
    """
    context.obj.client.delete(path(name))
    note(f"{name} is deleted")
