"""``upshot demo``: the whole path once, for real."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer()


@app.command()
def demo(
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the service running afterwards.")
    ] = False,
) -> None:
    """Show the whole path: webhooks come in, flows run and fail and heal, somebody is told.

    Example: upshot demo --keep
    """
    from upshot.services.demo import run

    raise typer.Exit(run(keep))
