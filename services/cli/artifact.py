"""``upshot artifact``: what runs show to people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any
from urllib.parse import quote

import typer

from . import times
from .printing import Column, field, harmless, say, say_json, show, show_one
from .session import Context, Format, Limit, Output

app = typer.Typer(
    help="Artifacts, tables and texts that runs show: list, inspect."
    "\n\nExample: upshot artifact inspect sales-per-store",
    no_args_is_help=True,
)


@app.command()
def ls(
    context: Context,
    run: Annotated[str | None, typer.Option(help="Only of this run.")] = None,
    key: Annotated[str | None, typer.Option(help="Only the versions of this key.")] = None,
    kind: Annotated[str | None, typer.Option("--type", help="Only of this type.")] = None,
    limit: Limit = 50,
    output: Output = Format.TABLE,
) -> None:
    """List artifacts, newest first.

    Example: upshot artifact ls --key report
    """
    now = times.now()
    columns = [
        Column("Key", lambda item: item["key"] or "-"),
        field("Version"),
        field("Type"),
        field("Summary", wide=True),
        Column("Updated", lambda item: times.ago(item["updated"], now)),
        field("Flow"),
        field("Id", wide=True),
    ]
    query = {"run": run, "key": key, "type": kind}
    show(context.obj.client.items("/artifacts", query, limit), columns, output, "no such artifact")


@app.command()
def inspect(
    context: Context,
    artifact: Annotated[str, typer.Argument(metavar="ARTIFACT", help="Its id, or a key.")],
    output: Output = Format.TABLE,
) -> None:
    """Show an artifact with its data; of a key the latest one.

    Example: upshot artifact inspect report
    """
    found = context.obj.client.get(f"/artifacts/{quote(artifact, safe='')}")
    if output is Format.JSON:
        say_json(found)
        return
    names = ("id", "key", "version", "type", "description", "flow", "flow_run", "task", "updated")
    show_one(found, Format.TABLE, {name.replace("_", " "): found[name] for name in names})
    say()
    _show_data(found)


def _show_data(artifact: Mapping[str, Any]) -> None:
    data = artifact["data"]
    if artifact["type"] != "table":
        text = data["link"] if artifact["type"] == "link" else data
        for line in str(text).splitlines():
            say(harmless(line))
        return
    rows = list(rows_of(data))
    columns = [
        Column(str(name), lambda row, at=name: row.get(at), wide=True)  # type: ignore[misc]
        for name in dict.fromkeys(name for row in rows for name in row)
    ]
    show(rows, columns, Format.TABLE, "it has no rows")


def rows_of(table: Any) -> Iterator[dict[Any, Any]]:
    """Yield the rows of a table by their columns, whichever form it has."""
    if isinstance(table, dict):
        length = max(map(len, table.values()), default=0)
        for at in range(length):
            yield {name: _at(column, at) for name, column in table.items()}
        return
    for row in table:
        yield row if isinstance(row, dict) else dict(enumerate(row))


def _at(column: Sequence[Any], at: int) -> Any:
    return column[at] if at < len(column) else None
