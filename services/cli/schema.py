"""``upshot schema``: JSON Schemas of what people write, for editors."""

from __future__ import annotations

from typing import Annotated

import typer

from .printing import say_json
from .session import Context

app = typer.Typer()


@app.command()
def schema(
    context: Context,
    kind: Annotated[
        str,
        typer.Argument(
            help="file, automation, deployment, limit, work-pool, receiver, variable, webhook."
        ),
    ] = "file",
) -> None:
    """Print the JSON Schema of a whole file, or of one definition, for editors.

    With its path on top of a file, editors that know the YAML language server complete and check
    what is written: # yaml-language-server: $schema=upshot.schema.json

    Example: upshot schema > upshot.schema.json; upshot schema automation
    """
    from upshot.automations.files.schema import KINDS
    from upshot.automations.files.schema import schema as made

    if kind not in KINDS:
        raise typer.BadParameter(f"no schema of {kind!r}; there are {', '.join(KINDS)}")
    say_json(made(kind))
