"""``upshot status`` and ``upshot version``."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from typing import Any, Final

import typer

from .printing import Column, cell, field, note, say, say_json, show
from .session import Context, Format, Output

app = typer.Typer()

_KNOWN: Final = frozenset({"part", "ready"})
_COLUMNS: Final = (
    field("Part"),
    Column(
        "Ready",
        lambda part: bool(part.get("ready")),
        lambda part: "green" if part.get("ready") else "red",
    ),
    Column("Details", lambda part: details(part), wide=True),
)


def details(part: Mapping[str, Any]) -> str:
    """Return what else is told of a part: its lag, its owner."""
    known = [f"{key} {cell(value)}" for key, value in part.items() if key not in _KNOWN]
    return ", ".join(known)


def version_line() -> str:
    """Return the versions of Upshot and of the Python that runs it."""
    import upshot

    return f"upshot {upshot.__version__} (Python {platform.python_version()})"


@app.command()
def version(output: Output = Format.TABLE) -> None:
    """Show the version.

    Example: upshot version
    """
    import upshot

    if output is Format.JSON:
        say_json({"upshot": upshot.__version__, "python": platform.python_version()})
    else:
        say(version_line())


@app.command()
def status(context: Context, output: Output = Format.TABLE) -> None:
    """Show whether each part is ready, and its lag; exit 1 unless events are acted upon.

    Example: upshot status
    """
    client = context.obj.client
    found = client.readiness()
    if output is Format.JSON:
        say_json({"url": client.url, **found})
    else:
        parts = [{"part": name, **part} for name, part in found["parts"].items()]
        note(f"{client.url} is {found['status']}")
        show(parts, _COLUMNS, output, "it has no parts")
    if found["status"] != "ready":
        raise typer.Exit(1)
