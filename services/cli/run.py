"""``upshot run``: what ran, how it went, why, and once more; and letting it wait."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from . import times
from .pausing import pause, resume
from .printing import (
    Column,
    cell,
    console,
    field,
    note,
    say,
    say_json,
    show,
    show_one,
    state_style,
    styled,
)
from .session import Context, Format, Limit, Output
from .undoing import undo
from .watching import completed, print_line, tell, watch

if TYPE_CHECKING:
    from upshot.services.client import Client

app = typer.Typer(
    help="Runs of flows: list, inspect, logs, retry, pause, resume, cancel, undo."
    "\n\nExample: upshot run ls --state Failed --since 1d",
    no_args_is_help=True,
)

app.command()(pause)
app.command()(resume)
app.command()(undo)

_Run = Annotated[str, typer.Argument(help="The run's id or name.", metavar="RUN")]


def path(run: str) -> str:
    """Return the API's path of a run."""
    return f"/runs/{quote(run, safe='')}"


@app.command()
def ls(
    context: Context,
    flow: Annotated[str | None, typer.Option(help="Only of this flow.")] = None,
    deployment: Annotated[
        str | None, typer.Option("--deployment", "-d", help="Only of this one.")
    ] = None,
    state: Annotated[str | None, typer.Option("--state", "-s", help="Only in this state.")] = None,
    parent: Annotated[
        str | None, typer.Option(help="Only parts of this run: its id or name.")
    ] = None,
    since: Annotated[str | None, typer.Option(help="A time, or how long ago: 10m.")] = None,
    limit: Limit = 50,
    output: Output = Format.TABLE,
) -> None:
    """List runs, newest first.

    Example: upshot run ls --state Failed --since 1d
    """
    now = times.now()
    asked = {"flow": flow, "deployment": deployment, "state": state}
    query = {**asked, "parent": parent, "since": since}
    columns = [
        field("Name"),
        Column(
            "State", lambda run: run["state"]["name"], lambda run: state_style(run["state"]["type"])
        ),
        Column("Of", lambda run: run.get("deployment") or run.get("flow"), wide=True),
        field("Attempt"),
        Column("Created", lambda run: times.ago(run.get("created"), now)),
        Column("Took", lambda run: times.between(run.get("started"), run.get("ended"), now)),
        field("Id", wide=True),
    ]
    show(context.obj.client.items("/runs", query, limit), columns, output, "no such run")


@app.command()
def inspect(
    context: Context,
    run: _Run,
    tasks: Annotated[
        bool, typer.Option("--tasks", help="Show each task run, however many.")
    ] = False,
    output: Output = Format.TABLE,
) -> None:
    """Show a run: its state, and in a timeline what led to it and what happened.

    Example: upshot run inspect brisk-otter
    """
    from .timeline import history, rows

    client = context.obj.client
    found = client.get(path(run))
    story = history(client, found, all_tasks=tasks or output is Format.JSON)
    shown = client.items("/artifacts", {"run": found["id"]})
    if output is Format.JSON:
        told = {"task_runs": story.tasks, "events": story.events, "causes": story.causes}
        say_json({**found, **told, "artifacts": shown})
        return
    _show_summary(found)
    for artifact in shown:
        say(f"artifact    {cell(artifact['key'] or artifact['id'])}: {cell(artifact['summary'])}")
    say()
    screen = console()
    for row in rows(story):
        parts = [
            (times.clock(row.time), "dim"),
            (f"  {row.what:<26}", row.style),
            (f"  {row.detail}", ""),
        ]
        screen.print(styled(parts))


def _show_summary(run: dict[str, Any]) -> None:
    state = run["state"]
    took = times.between(run.get("started"), run.get("ended"), times.now())
    rows = {
        "run": run["name"],
        "id": run["id"],
        "state": state["name"],
        "message": state.get("message"),
        "waits for": _waits_for(run.get("pause"), run.get("waits_for")),
        "flow": run["flow"],
        "deployment": run.get("deployment"),
        "part of": run.get("parent"),
        "parameters": run.get("parameters") or None,
        "attempt": run.get("attempt"),
        "created": times.local(run.get("created")),
        "took": took,
        "result": run.get("result"),
    }
    show_one(run, Format.TABLE, rows)


def _waits_for(pause: dict[str, Any] | None, holdup: dict[str, Any] | None) -> object:
    """Return what a paused run asks for, or which event; or what holds another one up."""
    if pause is None:
        return holdup and holdup["message"]
    return pause["description"] or pause["awaits"] or pause["schema"] or pause["key"]


@app.command()
def logs(
    context: Context,
    run: _Run,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until the run ends.")
    ] = False,
    output: Output = Format.TABLE,
) -> None:
    """Show what a run logged and printed.

    Example: upshot run logs brisk-otter --follow
    """
    client = context.obj.client
    found = client.get(path(run))
    if follow and output is Format.TABLE:
        watch(client, found["id"])
        return
    lines = client.items(f"{path(found['id'])}/logs")
    if output is Format.JSON:
        say_json(lines)
    elif not lines:
        note("it has logged nothing")
    else:
        for line in lines:
            print_line(line)


@app.command()
def retry(
    context: Context,
    run: _Run,
    task: Annotated[
        str | None,
        typer.Option("--from", help="Do again what was done from this task's first call on."),
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", "-w", help="Show its log; exit 1 unless it completes.")
    ] = False,
    output: Output = Format.TABLE,
) -> None:
    """Run a failed, crashed or cancelled run again; what it completed is not done twice.

    Example: upshot run retry brisk-otter --from load --wait
    """
    client = context.obj.client
    after = _last_line(client, run) if wait else None
    found = client.post(f"{path(run)}/retry", {"from": task} if task else {})
    if wait:
        found = watch(client, found["id"], quiet=output is Format.JSON, after=after)
    tell(found, output)
    if wait and not completed(found):
        raise typer.Exit(1)


def _last_line(client: Client, run: str) -> str | None:
    """Return where a run's log ends by now."""
    positions = [line["position"] for line in client.items(f"{path(run)}/logs")]
    return positions[-1] if positions else None


@app.command()
def cancel(context: Context, run: _Run, output: Output = Format.TABLE) -> None:
    """Ask a run to stop.

    Example: upshot run cancel brisk-otter
    """
    tell(context.obj.client.post(f"{path(run)}/cancel"), output)
