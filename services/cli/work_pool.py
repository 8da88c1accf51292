"""``upshot work-pool``: what workers serve, and in which order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import quote

import typer

from .applying import show_plan
from .giving import parameter
from .printing import Column, field, note, say_json, show
from .session import Context, Format, Output

app = typer.Typer(
    help="Work pools: list, define, pause one, or a queue of it."
    "\n\nExample: upshot work-pool pause default",
    no_args_is_help=True,
)
queue_app = typer.Typer(
    help="A queue of a work pool: pause, resume."
    "\n\nExample: upshot work-pool queue pause default bulk",
    no_args_is_help=True,
)
app.add_typer(queue_app, name="queue")

_Name = Annotated[str, typer.Argument(help="The pool's name.")]
_Queue = Annotated[str, typer.Argument(help="The queue's name.", metavar="QUEUE")]


@app.command()
def ls(context: Context, output: Output = Format.TABLE) -> None:
    """List the work pools: how many runs wait, and who serves them.

    Example: upshot work-pool ls
    """
    columns = [
        field("Name"),
        field("Type"),
        Column("Paused", lambda item: bool(item.get("paused"))),
        field("Queued"),
        field("Running"),
        Column("Limit", lambda item: item.get("concurrency_limit")),
        Column("Queues", _queues, wide=True),
        field("Workers"),
    ]
    show(context.obj.client.items("/work-pools"), columns, output, "there is no work pool")


def _queues(pool: Mapping[str, Any]) -> str:
    """Name a pool's queues in the order in which they are served; one alone says nothing."""
    names = [queue["name"] for queue in pool.get("queues") or []]
    return ", ".join(names) if len(names) > 1 else ""


@app.command()
def queues(context: Context, name: _Name, output: Output = Format.TABLE) -> None:
    """List the queues of a work pool, those first whose runs go first.

    Example: upshot work-pool queues default
    """
    columns = [
        field("Name"),
        field("Priority"),
        Column("Limit", lambda item: item.get("limit")),
        Column("Paused", lambda item: bool(item.get("paused"))),
        field("Queued"),
    ]
    pool = context.obj.client.get(f"/work-pools/{quote(name)}")
    show(pool["queues"], columns, output, "it has no queue")


def _queue(text: str) -> dict[str, Any]:
    """Read ``name``, or ``name=priority``."""
    name, _, priority = text.partition("=")
    if not priority:
        return {"name": name}
    if not priority.isdecimal():
        raise typer.BadParameter(f"{text}: write NAME or NAME=PRIORITY", param_hint="--queue")
    return {"name": name, "priority": int(priority)}


@app.command()
def create(
    context: Context,
    name: _Name,
    type_: Annotated[
        str, typer.Option("--type", help="process, subprocess, docker or kubernetes.")
    ] = "process",
    limit: Annotated[
        int | None, typer.Option(min=1, help="Runs under way at a time, on all its workers.")
    ] = None,
    job: Annotated[
        list[str] | None,
        typer.Option("--job", "-j", metavar="NAME=VALUE", help="A job variable; repeatable."),
    ] = None,
    queue: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME[=PRIORITY]", help="A queue; the lowest goes first; repeatable."),
    ] = None,
    description: Annotated[str, typer.Option(help="For people.")] = "",
    output: Output = Format.TABLE,
) -> None:
    """Define a work pool, or change it: how its runs' processes are made.

    Example: upshot work-pool create containers --type docker --job image=registry/flows:3
    """
    pool = {
        "name": name,
        "type": type_,
        "job": dict(parameter(text) for text in job or []),
        "concurrency_limit": limit,
        "queues": [_queue(text) for text in queue or []],
        "description": description,
    }
    plan = context.obj.client.post("/apply", {"work_pools": [pool]})
    if output is Format.JSON:
        say_json(plan)
    else:
        show_plan(plan, dry_run=False)


@app.command()
def delete(context: Context, name: _Name) -> None:
    """Forget how a pool is defined; what waits in it stays, for processes of the plain kind.

    Example: upshot work-pool delete containers
    """
    context.obj.client.delete(f"/work-pools/{quote(name)}")
    note(f"{name} is not defined any more")


@app.command()
def pause(context: Context, name: _Name) -> None:
    """Let a pool's workers take no new runs; what runs goes on, and the rest waits.

    Example: upshot work-pool pause default
    """
    context.obj.client.post(f"/work-pools/{quote(name)}/pause")
    note(f"{name} is paused")


@app.command()
def resume(context: Context, name: _Name) -> None:
    """Let a paused pool's workers take runs again.

    Example: upshot work-pool resume default
    """
    context.obj.client.post(f"/work-pools/{quote(name)}/resume")
    note(f"{name} is on again")


@queue_app.command("pause")
def pause_queue(context: Context, name: _Name, queue: _Queue) -> None:
    """Let no run of a queue begin until it is resumed; those of the pool's other queues do.

    Example: upshot work-pool queue pause default bulk
    """
    context.obj.client.post(f"/work-pools/{quote(name)}/queues/{quote(queue, safe='')}/pause")
    note(f"{queue} of {name} is paused")


@queue_app.command("resume")
def resume_queue(context: Context, name: _Name, queue: _Queue) -> None:
    """Let runs of a queue begin again, also where its definition says that it is paused.

    Example: upshot work-pool queue resume default bulk
    """
    context.obj.client.post(f"/work-pools/{quote(name)}/queues/{quote(queue, safe='')}/resume")
    note(f"{queue} of {name} is on again")
