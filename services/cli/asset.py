"""``upshot asset``: what tasks materialise, whether it is well, and what is made of what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from . import times
from .printing import Column, cell, console, field, note, say, say_json, show, show_one, styled
from .session import Context, Format, Limit, Output

if TYPE_CHECKING:
    from rich.tree import Tree

app = typer.Typer(
    help="Assets that tasks make: list, inspect, lineage, delete."
    "\n\nExample: upshot asset lineage warehouse/sales",
    no_args_is_help=True,
)

_Key = Annotated[str, typer.Argument(metavar="KEY", help="The asset's key.")]
_STYLES = {"ok": "green", "failed": "red", "check failed": "red", "check warned": "yellow"}


def path(key: str) -> str:
    """Return the API's path of an asset."""
    return f"/assets/{quote(key, safe='')}"


@app.command()
def ls(
    context: Context,
    prefix: Annotated[str, typer.Option(help="Only those whose keys begin so.")] = "",
    limit: Limit = 50,
    output: Output = Format.TABLE,
) -> None:
    """List assets: how they are, and when each was last materialised.

    Example: upshot asset ls --prefix s3://
    """
    now = times.now()
    columns = [
        field("Key", wide=True),
        Column("Health", lambda item: item["health"], lambda item: _STYLES.get(item["health"], "")),
        Column("Materialized", lambda item: times.ago((item["materialized"] or {}).get("at"), now)),
        field("Version"),
        Column("By", lambda item: (item["materialized"] or {}).get("flow")),
        Column("Checks", _checks_in_short),
    ]
    items = context.obj.client.items("/assets", {"prefix": prefix}, limit)
    show(items, columns, output, "no such asset")


def _checks_in_short(asset: Mapping[str, Any]) -> str:
    passed = sum(check["outcome"] == "passed" for check in asset["checks"])
    return f"{passed}/{len(asset['checks'])}" if asset["checks"] else "-"


@app.command()
def inspect(context: Context, key: _Key, output: Output = Format.TABLE) -> None:
    """Show an asset: its latest materialisation, its checks, its neighbours, its past.

    Example: upshot asset inspect warehouse/orders
    """
    found = context.obj.client.get(path(key))
    past = context.obj.client.get(f"{path(key)}/materializations")["items"]
    if output is Format.JSON:
        say_json({**found, "materializations": past})
        return
    _show_summary(found)
    for check in found["checks"]:
        blocking = ", blocking" if check["blocking"] else ""
        told = cell(check["description"] or check["metadata"] or None)
        say(f"  check {cell(check['check'])}  {check['outcome']}{blocking}  {told}")
    for each in past:
        say(f"  version {each['version']}  {times.local(each['at'])}  {cell(each['metadata'])}")


def _show_summary(asset: dict[str, Any]) -> None:
    made, failed = asset["materialized"] or {}, asset["failed"] or {}
    properties = asset["properties"]
    rows = {
        "key": asset["key"],
        "name": asset["name"],
        "description": properties.get("description"),
        "url": properties.get("url"),
        "owners": ", ".join(properties.get("owners") or ()),
        "health": asset["health"],
        "version": asset["version"],
        "materialized": times.local(made.get("at")),
        "by": made.get("by") or made.get("task"),
        "run": made.get("flow_run"),
        "data version": made.get("data_version"),
        "code version": made.get("code_version"),
        "failed": f"{times.local(failed['at'])}: {failed['message']}" if failed else None,
        "upstream": ", ".join(asset["upstream"]),
        "downstream": ", ".join(asset["downstream"]),
    }
    show_one(asset, Format.TABLE, rows)


@app.command()
def lineage(
    context: Context,
    key: _Key,
    depth: Annotated[int, typer.Option(min=1, max=20, help="How many steps away.")] = 10,
    output: Output = Format.TABLE,
) -> None:
    """Show what an asset is made of, and what is made of it.

    Example: upshot asset lineage warehouse/orders
    """
    found = context.obj.client.get(f"{path(key)}/lineage", {"depth": depth})
    if output is Format.JSON:
        say_json(found)
    else:
        console().print(tree(found))


def tree(found: Mapping[str, Any]) -> Tree:
    """Return a lineage as a tree."""
    from rich.tree import Tree

    root = Tree(styled([(cell(found["key"]), "bold")]))
    for direction, title in (("upstream", "made of"), ("downstream", "used by")):
        if found.get(direction):
            _grow(root.add(styled([(title, "dim")])), found[direction], direction)
    return root


def _grow(branch: Tree, nodes: list[dict[str, Any]], direction: str) -> None:
    for node in nodes:
        if node.get("again"):
            told = "see above"
        else:
            told = times.ago(node["materialized"], times.now()) if node["materialized"] else "never"
        further = " …" if node.get("more") else ""
        below = branch.add(styled([(cell(node["key"]), ""), (f"  {told}{further}", "dim")]))
        _grow(below, node.get(direction, []), direction)


@app.command()
def delete(context: Context, key: _Key) -> None:
    """Forget what is known of an asset; what it names is not touched.

    Example: upshot asset delete warehouse/old-orders
    """
    context.obj.client.delete(path(key))
    note(f"{key} is forgotten")
