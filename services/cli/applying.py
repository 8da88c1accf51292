"""``upshot apply``: make the definitions in the service those in files.

files → checked here → the plan, from the service → shown → that plan and no other is done
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from .foresight import warnings_of
from .printing import console, harmless, note, say_json, styled
from .session import Context, Format, Output

app = typer.Typer()

_SIGNS: Final = {
    "created": ("+", "green"),
    "updated": ("~", "yellow"),
    "deleted": ("-", "red"),
    "unchanged": ("=", "dim"),
}
_STDIN: Final = Path("-")
_LONGEST: Final = 60


@app.command()
def apply(
    context: Context,
    file: Annotated[
        list[Path],
        typer.Option(
            "--file", "-f", help="A YAML file or a folder of them; repeatable. '-' reads stdin."
        ),
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
    """Apply automations, webhooks, receivers, deployments, variables, limits, pools from files.

    The plan is shown first: what is created, updated field by field, deleted, or stays. Then all
    of it is applied or, where anything is wrong or has changed meanwhile, nothing. ${NAME} in a
    file is taken from the environment; paths in it are relative to it. A deployment from git is
    pinned to the commit that its branch is at; of one from a folder, a copy is kept.

    Example: upshot apply -f automations/ --dry-run
    """
    definitions = _read(file)
    for deployment in definitions["deployments"]:
        pin(deployment, context.obj.settings.data_dir)
    wanted = {kind: items for kind, items in definitions.items() if items}
    client = context.obj.client
    plan = client.post("/apply", {**wanted, "prune": prune, "dry_run": True})
    foreseen = warnings_of(client, definitions["deployments"])
    plan["warnings"] += foreseen
    if output is Format.TABLE:
        show_plan(plan, dry_run=dry_run)
    if not dry_run and any(change["change"] != "unchanged" for change in plan["changes"]):
        plan = client.post("/apply", {**wanted, "prune": prune, "plan": plan["plan"]})
        plan["warnings"] += foreseen
        if output is Format.TABLE:
            note("applied")
    if output is Format.JSON:
        say_json(plan)


def _read(files: list[Path]) -> dict[str, Any]:
    from upshot.automations.files.loading import load, loads

    if _STDIN not in files:
        return load(files, os.environ).model_dump(mode="json", by_alias=True)
    if len(files) > 1:
        raise typer.BadParameter("'-' stands for all there is to read: give no other --file")
    read = loads(sys.stdin.read(), name="stdin", environment=os.environ)
    return read.model_dump(mode="json", by_alias=True)


def pin(deployment: dict[str, Any], data_dir: Path) -> None:
    """Let a deployment mean one version of its source: a commit, or a copy of a folder."""
    if deployment.get("source") is None:
        return
    from upshot.flows.deployments.checkouts import code_folder, pinned
    from upshot.flows.flowruns.started import source_of

    source = source_of(deployment)
    assert source is not None
    fixed = pinned(source, code_folder(data_dir))
    deployment["source"] = fixed.model_dump(mode="json")


def show_plan(plan: Mapping[str, Any], *, dry_run: bool) -> None:
    """Print what applying changes."""
    screen = console()
    for change in plan["changes"]:
        sign, style = _SIGNS[change["change"]]
        screen.print(styled([(f"{sign} {change['kind']} {change['name']}", style)]))
        for line in details(change):
            screen.print(styled([(f"    {line}", "dim")]))
    for warning in plan.get("warnings", []):
        note(f"warning: {harmless(_warning(warning))}")
    counts = Counter(change["change"] for change in plan["changes"])
    told = ", ".join(f"{counts[verb]} {verb}" for verb in _SIGNS)
    note(f"{told}{'; nothing was changed (--dry-run)' if dry_run else ''}")


def details(change: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each field that differs, and one for what an automation forgets."""
    for each in change.get("diff", []):
        if "old" not in each:
            yield f"{each['field']}: + {_short(each['new'])}"
        elif "new" not in each:
            yield f"{each['field']}: - {_short(each['old'])}"
        else:
            yield f"{each['field']}: {_short(each['old'])} → {_short(each['new'])}"
    state = change.get("state") or {}
    if state.get("reset"):
        kept = f"; {', '.join(state['kept'])} goes on" if state.get("kept") else ""
        yield f"counts anew: {', '.join(state['reset'])}{kept}"


def _short(value: Any) -> str:
    text = value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)
    text = harmless(text)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _warning(warning: Any) -> str:
    if not isinstance(warning, Mapping):
        return str(warning)
    place = " ".join(str(warning[key]) for key in ("kind", "name", "field") if key in warning)
    return f"{place}: {warning.get('message', '')}"
