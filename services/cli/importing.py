"""``upshot import``: bring definitions over from other tools."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .printing import harmless, note, say_json
from .session import Context, Format, Output

if TYPE_CHECKING:
    from upshot.automations.importing import Imported

app = typer.Typer(
    help="Bring automations over from other tools."
    "\n\nExample: upshot import prefect export.yaml > heal.yaml",
    no_args_is_help=True,
)


@app.command()
def prefect(
    context: Context,
    file: Annotated[Path, typer.Argument(help="What Prefect exported; '-' reads stdin.")],
    name: Annotated[
        list[str] | None,
        typer.Option(help="What an id in Prefect is called here; repeatable.", metavar="ID=NAME"),
    ] = None,
    output: Output = Format.TABLE,
) -> None:
    """Turn automations of Prefect into a file for `upshot apply`, on standard output.

    The export is what `prefect automation inspect NAME --yaml` (or --json) prints. Whatever has
    no equal is told in a line each; an automation that would act otherwise than before is
    written disabled. Ids of deployments and blocks mean nothing here: --name says what they are.

    Example: upshot import prefect export.yaml --name 6e2a9f0c-…=etl/nightly > automations.yaml
    """
    from upshot.automations.importing import import_prefect, to_yaml

    names = dict(map(_pair, name or []))
    text = sys.stdin.read() if file == Path("-") else file.read_text()
    found = import_prefect(text, source=str(file), names=names)
    if output is Format.JSON:
        say_json([each.to_dict() for each in found])
    else:
        sys.stdout.write(to_yaml(found))
    _tell(found)
    if any(each.definition is None for each in found):
        raise typer.Exit(1)


def _pair(text: str) -> tuple[str, str]:
    identity, equals, called = text.partition("=")
    if not (identity and equals and called):
        raise typer.BadParameter(f"--name {text}: write ID=NAME")
    return identity, called


def _tell(found: list[Imported]) -> None:
    for each in found:
        for line in each.notes:
            note(harmless(f"{each.name}: {line}"))
    done = sum(each.definition is not None for each in found)
    note(f"{done} of {len(found)} automations brought over")
