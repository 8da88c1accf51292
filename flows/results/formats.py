"""Results as checkpoints: kept where JSON, or the annotated type, restores them exactly."""

from __future__ import annotations

import io
import math
import os
import pickle
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, lru_cache
from hashlib import sha256
from typing import Any, Final, Literal, get_args, get_type_hints

from ..exceptions import ResultDamaged

INLINE_BYTES: Final = 64 * 1024
"""Larger results of tasks are kept as files."""
_DEEPEST: Final = 100  # the parser gives up at 200

Serializer = Literal["json", "pickle", "compressed/json", "compressed/pickle"]
SERIALIZERS: Final[tuple[Serializer, ...]] = get_args(Serializer)
_COMPRESSED: Final = "compressed/"
_ATOMS: Final = frozenset({type(None), bool, str})
_MOST_PARTS: Final = 100_000_000  # a list that holds one list twice, and so on, soon has more
_MOST_BITS: Final = 14_000  # parsers refuse numbers of more than 4,300 digits


@dataclass(frozen=True)
class Kept:
    """A result as bytes.

    Attributes:
        form: ``json`` for a value that is JSON itself, ``typed`` for JSON that the function's
            return annotation restores, ``pickle``; each with ``compressed/`` before it or without.
    """

    form: str
    body: bytes

    @property
    def is_json(self) -> bool:
        """Whether the body can stand in a record as it is."""
        return self.form in {"json", "typed"}

    @cached_property
    def digest(self) -> str:
        """What tells the body from any other one."""
        return sha256(self.body).hexdigest()

    @property
    def suffix(self) -> str:
        """What the names of files of this form end with."""
        return suffix_of(self.form)


def suffix_of(form: str) -> str:
    """Return what the names of files end with that have a form, or are made by a serializer."""
    kind = "pickle" if form.endswith("pickle") else "json"
    return f".{kind}.z" if form.startswith(_COMPRESSED) else f".{kind}"


def keep(value: Any, function: Callable[..., Any], serializer: Serializer = "json") -> Kept | None:
    """Return a result in the form that :func:`restore` undoes exactly, or None where none does.

    Raises:
        Exception: what pickling raises, where that was chosen.
    """
    if serializer.startswith(_COMPRESSED):
        kept = _keep(value, function, serializer.removeprefix(_COMPRESSED))
        return kept and Kept(_COMPRESSED + kept.form, zlib.compress(kept.body, 1))
    return _keep(value, function, serializer)


def _keep(value: Any, function: Callable[..., Any], serializer: str) -> Kept | None:
    if serializer == "pickle":
        from cloudpickle import dumps

        return Kept("pickle", dumps(value))
    from pydantic_core import to_json

    parts = _parts(value, {}, 0)
    if parts == math.inf:
        return _keep_typed(value, function)
    try:
        return Kept("json", to_json(value)) if parts <= _MOST_PARTS else None
    except ValueError:  # text that is not Unicode
        return None


def restore(kept: Kept, function: Callable[..., Any], *, pickled: bool = False) -> Any:
    """Return the value that was kept.

    Args:
        pickled: the function's own author chose pickle; nothing is unpickled else.

    Raises:
        ValueError: the form does not restore it any more.
    """
    from pydantic_core import from_json

    if kept.form.startswith(_COMPRESSED):
        kept = Kept(kept.form.removeprefix(_COMPRESSED), _unpacked(kept.body))
    if kept.form == "pickle":
        return _unpickled(kept.body, pickled)
    if kept.form == "json":
        return from_json(kept.body)
    try:
        adapter = _adapter(function)
    except TypeError as error:  # it can't be hashed
        raise ValueError(str(error)) from error
    if adapter is None:
        raise ValueError(f"{function.__qualname__} has no return annotation any more")
    return adapter.validate_json(kept.body)


def _unpacked(body: bytes) -> bytes:
    try:
        return zlib.decompress(body)
    except zlib.error as error:
        raise ValueError(f"it is damaged: {error}") from error


def _unpickled(body: bytes, chosen: bool) -> Any:
    if not chosen:
        raise ValueError('it is pickled, and result_serializer is not "pickle" any more')
    try:
        return pickle.loads(body)
    except Exception as error:  # loading is code, which may raise anything
        raise ValueError(f"it can't be unpickled: {error!r}") from error


def is_json(value: Any) -> bool:
    """Tell whether JSON gives back this very value: exact types all the way down.

    Parts that are met again count each time, as JSON writes each out; too many are none of it.
    """
    return _parts(value, {}, 0) <= _MOST_PARTS


def _parts(value: Any, known: dict[tuple[int, int], float], depth: int) -> float:
    """Return of how many parts the JSON of a value is, or more than may be; infinity: of none."""
    kind: type = type(value)
    if kind in _ATOMS:
        return 1
    if kind is int:
        return 1 if value.bit_length() <= _MOST_BITS else math.inf
    if kind is float:
        return 1 if math.isfinite(value) else math.inf
    if depth == _DEEPEST or (kind is not list and kind is not dict):
        return math.inf
    place = id(value), depth
    if place in known:
        return known[place]
    if kind is dict and any(type(key) is not str for key in value):
        return math.inf
    parts = 1.0
    for item in value if kind is list else value.values():
        parts += _parts(item, known, depth + 1)
        if parts > _MOST_PARTS:
            return parts
    known[place] = parts
    return parts


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
    """Results in files, through fsspec.

    Args:
        url: folder, as a path or as an address that fsspec knows (``s3://bucket/results``).
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    def path(self, folder: str, name: str) -> str:
        """Return where a result of this name lies."""
        return f"{self.url}/{folder}/{name}" if folder else f"{self.url}/{name}"

    @classmethod
    def write(cls, path: str, body: bytes) -> None:
        """Write a result durably, whole or not at all."""
        import fsspec

        try:
            opened: Any = fsspec.open(path, "wb", auto_mkdir=True)
            with opened as file:
                file.write(body)
                file.flush()
                _sync(file)
        except OSError:
            cls._drop_part(path)
            raise

    @staticmethod
    def _drop_part(path: str) -> None:
        """Remove what a full disk took of a file."""
        import fsspec

        filesystem, inner = fsspec.core.url_to_fs(path)
        with suppress(OSError):
            filesystem.rm_file(inner)

    @staticmethod
    def read(form: str, path: str, digest: str | None) -> Kept:
        """Return a result that was written.

        Args:
            digest: of what was; None of a result that an older version wrote.

        Raises:
            ResultDamaged: something else lies there.
        """
        import fsspec

        opened: Any = fsspec.open(path, "rb")
        with opened as file:
            kept = Kept(form, file.read())
        if digest is not None and kept.digest != digest:
            raise ResultDamaged(f"{path} is not what was written there")
        return kept


def _sync(file: Any) -> None:
    try:
        descriptor = file.fileno()
    except (AttributeError, io.UnsupportedOperation):
        return  # no local file; what is remote is durable when it is closed
    os.fsync(descriptor)
