"""``upshot event``: send events, list them, follow them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from . import times
from .emitting import build, send_file
from .printing import (
    Column,
    cell,
    console,
    event_style,
    field,
    note,
    say,
    say_json,
    say_line,
    show,
    styled,
)
from .session import Context, Format, Limit, Output

app = typer.Typer(
    help="Send events, list them, follow them, trace one."
    "\n\nExample: upshot event tail --event 'flow-run.*'",
    no_args_is_help=True,
)

_Name = Annotated[str | None, typer.Option("--event", "-e", help="Name or glob: 'flow-run.*'.")]
_Resource = Annotated[str | None, typer.Option("--resource", "-r", help="Id of the resource.")]

_Emitted = Annotated[str | None, typer.Argument(help="The event's name: order.placed")]
_About = Annotated[str | None, typer.Option("--resource", "-r", help="Id of what it happened to.")]
_Labels = Annotated[
    list[str] | None,
    typer.Option("--label", "-l", metavar="NAME=VALUE", help="Label of the resource; repeatable."),
]
_Related = Annotated[
    list[str] | None, typer.Option(metavar="ROLE=ID", help="Related resource; repeatable.")
]
_Payload = Annotated[
    str | None,
    typer.Option(
        "--payload",
        "-p",
        metavar="JSON|@FILE|-",
        help="A JSON object; @ reads a file, - standard input.",
    ),
]
_Id = Annotated[str | None, typer.Option("--id", help="An id of yours: it is accepted once.")]
_Occurred = Annotated[datetime | None, typer.Option(help="When it happened; else now.")]
_File = Annotated[
    Path | None,
    typer.Option(
        "--file", "-f", help="Events as JSON lines; - is standard input.", allow_dash=True
    ),
]


@app.command()
def emit(
    context: Context,
    name: _Emitted = None,
    resource: _About = None,
    label: _Labels = None,
    related: _Related = None,
    payload: _Payload = None,
    event_id: _Id = None,
    occurred: _Occurred = None,
    file: _File = None,
    output: Output = Format.TABLE,
) -> None:
    """Send one event, or a file of them; done once they are durable.

    Example: upshot event emit order.placed -r order.17 -l customer=ana -p '{"total": 9.5}'

    Example: upshot event emit --file events.ndjson
    """
    answer: dict[str, Any]
    if file is not None:
        if name is not None:
            raise typer.BadParameter("give either a NAME or --file", param_hint="--file")
        answer = {**send_file(context.obj.client, file)}
    else:
        event = build(name, resource, label or [], related or [], payload, event_id, occurred)
        answer = context.obj.client.send_lines([event.to_json()]) | {"id": event.id}
    if output is Format.JSON:
        say_json(answer)
    else:
        duplicates = f", {answer['duplicates']:,} known already" if answer["duplicates"] else ""
        note(f"{answer['accepted']:,} accepted{duplicates}")
        if file is None:
            say(answer["id"])


@app.command()
def ls(
    context: Context,
    event: _Name = None,
    resource: _Resource = None,
    since: Annotated[str | None, typer.Option(help="A time, or how long ago: 10m.")] = None,
    until: Annotated[str | None, typer.Option(help="A time, or how long ago: 10m.")] = None,
    limit: Limit = 50,
    output: Output = Format.TABLE,
) -> None:
    """List events, newest first.

    Example: upshot event ls --event 'flow-run.*' --since 1h
    """
    query = {"event": event, "resource": resource, "since": since, "until": until}
    columns = [
        Column("Received", lambda item: times.local(item.get("received"))),
        Column("Event", lambda item: item["event"], lambda item: event_style(item["event"])),
        Column("Resource", lambda item: item["resource"]["id"], wide=True),
        Column("Name", lambda item: item["resource"].get("name"), wide=True),
        field("Id", wide=True),
    ]
    show(context.obj.client.items("/events", query, limit), columns, output, "no such event")


@app.command()
def tail(
    context: Context,
    event: _Name = None,
    resource: _Resource = None,
    after: Annotated[
        str | None, typer.Option("--from", help="Go on after this log position; else from now on.")
    ] = None,
    output: Output = Format.TABLE,
) -> None:
    """Follow the log: print events as they come, until Ctrl-C.

    Example: upshot event tail --event 'automation.*'
    """
    from .following import follow

    query = {"event": event, "resource": resource}
    screen = console()
    for message in follow(context.obj.client, "/events/stream", query, after):
        if output is Format.JSON:
            say_line(message.data)
        else:
            screen.print(styled(line(message.data)))


def line(event: dict[str, Any]) -> list[tuple[object, str]]:
    """Return the coloured parts of an event's line."""
    resource, name = event["resource"], event["event"]
    label = f" ({cell(resource['name'])})" if resource.get("name") else ""
    message = event.get("payload", {}).get("message")
    return [
        (times.clock(event.get("received") or event["occurred"]), "dim"),
        ("  ", ""),
        (f"{name:<24}", event_style(name)),
        (f"  {cell(resource['id'])}{label}", ""),
        (f"  {cell(message)}" if message else "", "dim"),
    ]
