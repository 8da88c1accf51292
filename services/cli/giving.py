"""Reads data that was typed: ``NAME=VALUE``, and JSON as it is, from a file or from stdin."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import typer


def pair(text: str, option: str) -> tuple[str, str]:
    """Split ``name=value``."""
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise typer.BadParameter(f"{text!r} is not NAME=VALUE", param_hint=option)
    return name, value


def parameter(text: str) -> tuple[str, Any]:
    """Read ``name=value``; the value is JSON where it can be read so, else text."""
    name, value = pair(text, "--param")
    return name, value_of(value, name, "--param")


def value_of(text: str, name: str, option: str) -> Any:
    """Return the value that a text is: JSON where it can be read so, else the text."""
    try:
        return _finite(_json(text, allow_inf_nan=False), name, option)
    except ValueError as error:
        if "recursion" in str(error):
            told = f"{name}: nested too deeply"
            raise typer.BadParameter(told, param_hint=option) from error
        return text


def json_object(given: str | None, option: str) -> dict[str, Any]:
    """Return a JSON object: given as it is, as ``@FILE``, or by ``-`` on stdin; none is empty."""
    if given is None:
        return {}
    try:
        value = _json(_text(given))
    except (ValueError, OSError) as error:
        what = error if isinstance(error, OSError) else f"not JSON: {error}"
        raise typer.BadParameter(str(what), param_hint=option) from error
    if not isinstance(value, dict):
        raise typer.BadParameter("must be a JSON object", param_hint=option)
    _finite(value, "", option)
    return value


def _text(given: str) -> str:
    if given == "-":
        return sys.stdin.read()
    return Path(given[1:]).read_text() if given.startswith("@") else given


def _json(text: str, **how: Any) -> Any:
    from pydantic_core import from_json

    return from_json(text, **how)


def _finite(value: Any, name: str, option: str) -> Any:
    from upshot.events.finite import NOT_FINITE, not_finite

    if (way := not_finite(value)) is not None:
        place = ".".join(filter(None, (name, way)))
        raise typer.BadParameter(f"{place}: {NOT_FINITE}", param_hint=option)
    return value
