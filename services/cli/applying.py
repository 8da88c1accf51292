"""``upshot apply``: make the definitions in the service those in files."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from .printing import console, note, say_json, styled
from .session import Context, Format, Output

app = typer.Typer()

_SIGNS: Final = {
    "created": ("+", "green"),
    "updated": ("~", "yellow"),
    "deleted": ("-", "red"),
    "unchanged": ("=", "dim"),
}


@app.command()
def apply(
    context: Context,
    file: Annotated[
        list[Path],
        typer.Option("--file", "-f", help="A YAML file or a folder of them; repeatable."),
    ],
    prune: Annotated[
        bool,
        typer.Option("--prune", help="Delete what the files lack, of the kinds that they hold."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only tell what would change.")
    ] = False,
    output: Output = Format.TABLE,
) -> None:
    """Apply automations, webhooks, receivers, deployments and variables from files.

    All of it is applied or, where anything is wrong, nothing. ${NAME} in a file is taken from
    the environment; paths in it are relative to it.

    Example: upshot apply -f automations/ --dry-run
    """
    from upshot.automations.loading import load

    definitions = load(file, os.environ).model_dump(mode="json", by_alias=True)
    wanted = {kind: items for kind, items in definitions.items() if items}
    plan = context.obj.client.post("/apply", {**wanted, "prune": prune, "dry_run": dry_run})
    if output is Format.JSON:
        say_json(plan)
    else:
        show_plan(plan["changes"], dry_run=dry_run)


def show_plan(changes: list[dict[str, Any]], *, dry_run: bool) -> None:
    """Print what an apply changed, or would."""
    screen = console()
    for change in changes:
        sign, style = _SIGNS[change["change"]]
        fields = f" ({', '.join(change['fields'])})" if change.get("fields") else ""
        line = f"{sign} {change['kind']} {change['name']}"
        screen.print(styled([(line, style), (fields, "dim")]))
    counts = Counter(change["change"] for change in changes)
    told = ", ".join(f"{counts[verb]} {verb}" for verb in _SIGNS)
    note(f"{told}{'; nothing was changed (--dry-run)' if dry_run else ''}")
