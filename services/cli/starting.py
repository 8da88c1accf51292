"""``upshot up`` and ``upshot serve``: the service itself, whole or in parts."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from .session import Context

app = typer.Typer()

_LOOPBACK = ("127.0.0.1", "::1", "localhost")


@app.command()
def up(
    context: Context,
    host: Annotated[
        str | None, typer.Option(help="Listen there; any but loopback needs UPSHOT_API_TOKEN.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Listen there (4280); 0 takes a free one.")
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder of the embedded store and of results (~/.upshot).")
    ] = None,
    redis_url: Annotated[
        str | None, typer.Option(help="A Redis or Valkey of yours instead of the embedded store.")
    ] = None,
    pool: Annotated[
        list[str] | None, typer.Option(help="Work pool to run a worker for (default); repeatable.")
    ] = None,
    workers: Annotated[
        bool, typer.Option("--workers/--no-workers", help="Run workers here, or none.")
    ] = True,
    apart: Annotated[
        bool,
        typer.Option(
            "--apart", help="Give engine, dispatcher, scheduler and archiver a process each."
        ),
    ] = False,
) -> None:
    """Start everything in one place: the store, all services and a worker.

    What dies is started again; Ctrl-C or SIGTERM stops all in order, a second one at once.

    Example: upshot up --port 8080 --data-dir ./data
    """
    given = {"host": host, "port": port, "data_dir": data_dir, "redis_url": redis_url}
    pools = (pool or ["default"]) if workers else []
    _check(given)
    os.environ.update(
        {f"UPSHOT_{key.upper()}": str(value) for key, value in given.items() if value is not None}
    )
    sys.stdout.flush()
    # The supervisor takes this process's place, so that no memory goes to the command line.
    options = [option for name in pools for option in ("--pool", name)]
    options += ["--apart"] if apart else []
    command = [sys.executable, "-P", "-m", "upshot.services.supervisor", *options]
    os.execv(sys.executable, command)


def _check(given: Mapping[str, object]) -> None:
    """Refuse wrong settings, and an address that is open to others without a token."""
    from upshot.events.settings import load_settings

    settings = load_settings(**given)
    if settings.api_token is None and settings.host not in _LOOPBACK:
        from upshot.services.api.guard import check_exposure

        check_exposure(settings)


@app.command()
def serve(
    context: Context,
    services: Annotated[
        list[str],
        typer.Argument(help="api, engine, dispatcher, scheduler, archiver, worker: one or more."),
    ],
    pool: Annotated[str, typer.Option(help="The worker's work pool.")] = "default",
    name: Annotated[str, typer.Option(help="The worker's name; else one is made.")] = "",
) -> None:
    """Run services in the foreground, together in one process.

    They join the store at UPSHOT_REDIS_URL, or the one that `upshot up` runs in UPSHOT_DATA_DIR.

    Example: UPSHOT_REDIS_URL=redis://store:6379 upshot serve engine dispatcher scheduler archiver
    """
    from upshot.services.serving import SERVICES, Options
    from upshot.services.serving import serve as serve_them

    for service in services:
        if service not in SERVICES:
            raise typer.BadParameter(
                f"no service is called {service!r}; there are {', '.join(SERVICES)}"
            )
    serve_them(services, context.obj.settings, Options(pool, name))
