"""``upshot worker``: run flows on this machine, and see who does."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import typer

from . import times
from .printing import Column, field, note, show
from .session import Context, Format, Output

app = typer.Typer(
    help="Workers run flows: start one, list them, drain one."
    "\n\nExample: upshot worker start --pool reports --concurrency 8",
    no_args_is_help=True,
)


@app.command()
def start(
    context: Context,
    pool: Annotated[str, typer.Option(help="Work pool whose runs it takes.")] = "default",
    name: Annotated[str, typer.Option(help="Its name; else one is made.")] = "",
    concurrency: Annotated[
        int | None, typer.Option(min=1, max=1024, help="Flows it runs at a time.")
    ] = None,
    grace: Annotated[
        float | None,
        typer.Option(min=0.001, help="Seconds that it waits for its flows when it is to leave."),
    ] = None,
) -> None:
    """Run the flows of a work pool until SIGTERM, which lets the running ones end.

    It joins the store at UPSHOT_REDIS_URL, or the one that `upshot up` runs in UPSHOT_DATA_DIR.

    Example: upshot worker start --pool gpu --concurrency 2
    """
    from upshot.events.settings import load_settings
    from upshot.services.serving import Options, serve

    settings = load_settings(worker_concurrency=concurrency, worker_grace=grace)
    serve(["worker"], settings, Options(pool, name))


@app.command()
def ls(context: Context, output: Output = Format.TABLE) -> None:
    """List the workers that are at work.

    Example: upshot worker ls
    """
    now = times.now()
    columns = [
        field("Name"),
        field("Pool"),
        Column("Status", lambda item: item.get("status") or "online"),
        field("Running"),
        field("Host"),
        field("PID", "pid"),
        field("Version"),
        Column("Started", lambda item: times.ago(item.get("started"), now)),
        Column("Seen", lambda item: times.ago(item.get("seen"), now)),
    ]
    show(context.obj.client.items("/workers"), columns, output, "no worker is at work")


@app.command()
def drain(
    context: Context, name: Annotated[str, typer.Argument(help="The worker's name.")]
) -> None:
    """Let a worker take no more runs, and leave when those that it has have ended.

    What has not ended in time (`worker_grace`, a minute) is handed over: another worker goes on
    where it was.

    Example: upshot worker drain build-3
    """
    context.obj.client.post(f"/workers/{quote(name)}/drain")
    note(f"{name} takes no more runs, and leaves")
