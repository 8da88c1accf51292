"""``upshot deployment``: flows that workers run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import quote

import typer

from . import times
from .giving import json_object, parameter
from .printing import Column, field, note, show, show_fields
from .session import Context, Format, Output
from .watching import completed, tell, watch

app = typer.Typer(
    help="Deployments, flows under a name: list, run, pause them."
    "\n\nExample: upshot deployment run words/readme --wait",
    no_args_is_help=True,
)

_Name = Annotated[str, typer.Argument(help="flow/deployment")]


@app.command()
def ls(context: Context, output: Output = Format.TABLE) -> None:
    """List the deployments.

    Example: upshot deployment ls
    """
    columns = [
        field("Name"),
        field("Pool", "work_pool"),
        Column("Paused", lambda item: bool(item.get("paused"))),
        Column("Code", _code),
        field("Entrypoint", wide=True),
        Column("Parameters", lambda item: item.get("parameters") or None, wide=True),
    ]
    items = context.obj.client.items("/deployments")
    show(items, columns, output, "there is no deployment; make one with `upshot flow deploy`")


@app.command()
def inspect(context: Context, name: _Name, output: Output = Format.JSON) -> None:
    """Show a deployment.

    Example: upshot deployment inspect words/readme
    """
    show_fields(context.obj.client.get(f"/deployments/{quote(name)}"), output)


@app.command()
def run(
    context: Context,
    name: _Name,
    param: Annotated[
        list[str] | None,
        typer.Option("--param", "-p", metavar="NAME=VALUE", help="JSON, or else text; repeatable."),
    ] = None,
    params: Annotated[
        str | None,
        typer.Option("--params", help="A JSON object, @FILE or - for stdin; --param goes on top."),
    ] = None,
    run_name: Annotated[str | None, typer.Option("--name", help="The run's name.")] = None,
    key: Annotated[
        str | None, typer.Option("--idempotency-key", help="The same key makes the same run.")
    ] = None,
    version: Annotated[
        str | None, typer.Option(help="An older version: its number, or a commit.")
    ] = None,
    priority: Annotated[
        int | None,
        typer.Option(min=-1000, max=1000, help="Within its queue the lowest goes first (0)."),
    ] = None,
    tag: Annotated[
        list[str] | None, typer.Option(help="Besides those of the deployment; repeatable.")
    ] = None,
    wait: Annotated[
        bool,
        typer.Option("--wait", "-w", "--watch", help="Show its log; exit 1 unless it completes."),
    ] = False,
    output: Output = Format.TABLE,
) -> None:
    """Start a run of a deployment.

    Example: upshot deployment run words/readme --param path=README.md --wait

    Example: upshot deployment run words/readme --params @tonight.json
    """
    parameters = json_object(params, "--params") | dict(parameter(text) for text in param or [])
    body: dict[str, Any] = {"deployment": name, "parameters": parameters}
    given: dict[str, Any] = {"name": run_name, "idempotency_key": key, "version": version}
    given |= {"priority": priority, "tags": tag or None}
    body |= {field: value for field, value in given.items() if value is not None}
    made = context.obj.client.post("/runs", body)
    if wait:
        made = watch(context.obj.client, made["id"], quiet=output is Format.JSON)
    tell(made, output)
    if wait and not completed(made):
        raise typer.Exit(1)


@app.command()
def versions(context: Context, name: _Name, output: Output = Format.TABLE) -> None:
    """List the latest versions of a deployment, newest first; `run --version` runs any of them.

    Example: upshot deployment versions etl/nightly
    """
    columns = [
        field("Version"),
        Column("Code", lambda item: _code(item.get("definition") or {})),
        Column("When", lambda item: times.local(item.get("at"))),
        field("Change"),
        Column("Fields", lambda item: ", ".join(item.get("fields") or []), wide=True),
    ]
    items = context.obj.client.items(f"/deployments/{quote(name)}/versions")
    show(items, columns, output, "it never was")


def _code(definition: Mapping[str, Any]) -> str | None:
    from upshot.flows.runs.deployed import version_of

    return version_of(definition) or None


@app.command()
def pause(context: Context, name: _Name) -> None:
    """Keep a deployment's schedules from making runs; others may still start one.

    Example: upshot deployment pause etl/nightly
    """
    context.obj.client.post(f"/deployments/{quote(name)}/pause")
    note(f"{name} is paused")


@app.command()
def resume(context: Context, name: _Name) -> None:
    """Let a paused deployment go on.

    Example: upshot deployment resume etl/nightly
    """
    context.obj.client.post(f"/deployments/{quote(name)}/resume")
    note(f"{name} is on again")
