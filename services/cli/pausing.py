"""``upshot run pause`` and ``resume``: let a run wait, and let it go on with what it asks for."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import quote

import typer

from .printing import harmless, note
from .session import Context, Format, Output
from .watching import tell

_Run = Annotated[str, typer.Argument(help="The run's id or name.", metavar="RUN")]
_Message = Annotated[str | None, typer.Option(help="Why; shown with the run's state.")]


def pause(
    context: Context, run: _Run, message: _Message = None, output: Output = Format.TABLE
) -> None:
    """Let a run wait until it is resumed; one under way stops at its next task.

    Example: upshot run pause brisk-otter
    """
    body = {"message": message} if message else {}
    tell(context.obj.client.post(f"/runs/{quote(run, safe='')}/pause", body), output)


def resume(
    context: Context,
    run: _Run,
    given: Annotated[
        str | None,
        typer.Option("--input", "-i", help="What it asks for, as JSON; asked for on a terminal."),
    ] = None,
    message: _Message = None,
    output: Output = Format.TABLE,
) -> None:
    """Let a paused run go on, with the input that it asks for.

    Example: upshot run resume brisk-otter --input '{"ok": true}'
    """
    client, path = context.obj.client, f"/runs/{quote(run, safe='')}"
    body: dict[str, Any] = {"message": message} if message else {}
    if given is not None:
        body["input"] = _json(given)
    elif sys.stdin.isatty() and (asked := client.get(path).get("pause")) and asked["schema"]:
        body["input"] = ask(asked)
    tell(client.post(f"{path}/resume", body), output)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise typer.BadParameter(f"--input: not JSON: {error}") from error


def ask(pause: Mapping[str, Any]) -> Any:
    """Ask on the terminal for what a pause's schema wants, field by field."""
    schema = pause["schema"]
    if pause["description"]:
        note(harmless(pause["description"]))
    properties = schema.get("properties")
    if properties is None:
        return value(schema, typer.prompt(schema.get("title", "input")))
    answers = {name: _field(name, each, schema) for name, each in properties.items()}
    return {name: answer for name, answer in answers.items() if answer is not None}


def _field(name: str, field: Mapping[str, Any], schema: Mapping[str, Any]) -> Any:
    label = harmless(f"{name} ({field['description']})" if field.get("description") else name)
    if field.get("type") == "boolean":
        return typer.confirm(label, default=field.get("default"))
    required = name in schema.get("required", ())
    default = field.get("default", None if required else "")
    shown = default if default is None or isinstance(default, str) else json.dumps(default)
    typed: str = typer.prompt(label, default=shown)
    return None if typed == "" and not required else value(field, typed)


def value(field: Mapping[str, Any], typed: str) -> Any:
    """Read what was typed: text where the field is text, else JSON, else text as well."""
    if field.get("type") == "string":
        return typed
    try:
        return json.loads(typed)
    except ValueError:
        return typed
