"""Results as checkpoints: kept where JSON, or the annotated type, restores them exactly."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal, get_type_hints

INLINE_BYTES: Final = 64 * 1024
"""Larger results of tasks are kept as files."""
_DEEPEST: Final = 100  # the parser gives up at 200

Form = Literal["json", "typed"]
_ATOMS: Final = frozenset({type(None), bool, int, str})


@dataclass(frozen=True, slots=True)
class Kept:
    """A result in JSON.

    Attributes:
        form: ``json`` for a value that is JSON itself, ``typed`` for one that the function's return
            annotation restores.
    """

    form: Form
    body: bytes


def keep(value: Any, function: Callable[..., Any]) -> Kept | None:
    """Return a result in the form that :func:`restore` undoes exactly, or None where none does."""
    from pydantic_core import to_json

    if is_json(value):
        try:
            return Kept("json", to_json(value))
        except ValueError:  # text that is not Unicode
            return None
    return _keep_typed(value, function)


def restore(kept: Kept, function: Callable[..., Any]) -> Any:
    """Return the value that was kept."""
    from pydantic_core import from_json

    if kept.form == "json":
        return from_json(kept.body)
    try:
        adapter = _adapter(function)
    except TypeError as error:  # it can't be hashed
        raise ValueError(str(error)) from error
    if adapter is None:
        raise ValueError(f"{function.__qualname__} has no return annotation any more")
    return adapter.validate_json(kept.body)


def is_json(value: Any, depth: int = 0) -> bool:
    """Tell whether JSON gives back this very value: exact types all the way down."""
    kind: type = type(value)
    if kind in _ATOMS:
        return True
    if kind is float:
        return math.isfinite(value)
    if depth == _DEEPEST:
        return False
    if kind is list:
        return all(is_json(item, depth + 1) for item in value)
    if kind is dict:
        return all(type(key) is str and is_json(item, depth + 1) for key, item in value.items())
    return False


def _keep_typed(value: Any, function: Callable[..., Any]) -> Kept | None:
    try:
        adapter = _adapter(function)
        if adapter is None:
            return None
        body = adapter.dump_json(value, warnings="error")
        again = adapter.validate_json(body)
        same = type(again) is type(value) and bool(again == value)
    except Exception:  # noqa: BLE001 - no JSON, or code of the value's own, which may raise anything
        return None
    return Kept("typed", body) if same else None


@lru_cache(maxsize=1024)
def _adapter(function: Callable[..., Any]) -> Any:
    from pydantic import TypeAdapter

    try:
        annotation = get_type_hints(function, include_extras=True).get("return", Any)
    except Exception:  # noqa: BLE001 - annotations are code: this one works for type checkers only
        return None
    if annotation is Any or annotation is type(None):
        return None
    try:
        return TypeAdapter(annotation)
    except Exception:  # noqa: BLE001 - a type may have hooks of its own
        return None


class ResultFiles:
    """Results that are too large for a task run's record, through fsspec.

    Args:
        url: folder, as a path or as an address that fsspec knows (``s3://bucket/results``).
    """

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")

    def write(self, run_id: str, task_run_id: str, body: bytes) -> str:
        """Write a result durably; return where it lies."""
        import fsspec

        path = f"{self._url}/{run_id}/{task_run_id}.json"
        with fsspec.open(path, "wb", auto_mkdir=True) as file:
            file.write(body)
            file.flush()
            _sync(file)
        return path

    def read(self, path: str) -> bytes:
        """Return a result that was written."""
        import fsspec

        with fsspec.open(path, "rb") as file:
            body: bytes = file.read()
        return body


def _sync(file: Any) -> None:
    descriptor = getattr(file, "fileno", None)
    if descriptor is not None:  # a local file; what is remote is durable when it is closed
        os.fsync(descriptor())
