"""Hashes of values and of code that come out the same in every process, for the keys of caches."""

from __future__ import annotations

import json
import pickle
from functools import partial
from hashlib import blake2b
from types import CellType, CodeType, NoneType
from typing import Any, Final

from ..exceptions import Unhashable
from .formats import is_json
from .stable import Write, stable

_PLAIN: Final = frozenset({NoneType, bool, int, float, complex, str, bytes})
_REFUSALS: Final = (
    pickle.PicklingError, TypeError, ValueError, AttributeError, RecursionError,
)  # fmt: skip


def hashed(*parts: str | bytes) -> str:
    """Return the hash of these parts, told apart by their lengths."""
    digest = blake2b(digest_size=16)
    for part in parts:
        body = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        digest.update(b"%d:" % len(body))
        digest.update(body)
    return digest.hexdigest()


def hash_value(value: Any, *, cloudpickle: bool = False) -> str:
    """Return the hash of a value: JSON, models, dataclasses, sets, paths: what pickle can write.

    Equal values have equal hashes whatever the order of their dicts and sets. Nothing is ever
    loaded from what is written.

    Args:
        cloudpickle: write what pickle can't (functions made on the way, say) by that package.

    Raises:
        Unhashable: the value can't be written.
    """
    try:
        return hashed(_written(value))
    except _REFUSALS as error:
        if not cloudpickle:
            raise Unhashable(f"{type(value).__name__}: {error}") from error
    from cloudpickle import dumps

    try:
        return hashed(dumps(value))
    except _REFUSALS as error:
        raise Unhashable(f"{type(value).__name__}: {error}") from error


def hash_code(function: Any) -> str:
    """Return the hash of what a function does: its code and its defaults, not where it stands.

    Comments, blank lines and annotations do not count; what it calls counts by name only.
    """
    if isinstance(function, partial):
        fixed = (_default(function.args), _default(function.keywords))
        return hashed(hash_code(function.func), *fixed)
    function = getattr(function, "__func__", function)  # of a method
    code = getattr(function, "__code__", None) or getattr(type(function).__call__, "__code__", None)
    if code is None:
        return hashed(type(function).__qualname__, getattr(function, "__qualname__", ""))
    given = (getattr(function, "__defaults__", None), getattr(function, "__kwdefaults__", None))
    return hashed(_code_text(code), "|".join(_default(value) for value in given))


def hash_closure(function: Any) -> str:
    """Return the hash of the plain values that a function has from the functions around it."""
    function = getattr(function, "__func__", function)
    code, cells = getattr(function, "__code__", None), getattr(function, "__closure__", None)
    named = zip(code.co_freevars, cells, strict=True) if code is not None and cells else ()
    return hashed(*(f"{name}={_plain_in(cell)}" for name, cell in named))


def _plain_in(cell: CellType) -> str:
    """Return what shows the value of a variable; nothing of one whose value can change."""
    try:
        value = cell.cell_contents
    except ValueError:  # it has none yet
        return ""
    return repr(value) if type(value) in _PLAIN else ""


def _code_text(code: CodeType) -> str:
    constants = [_constant(value) for value in code.co_consts]
    names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
    handlers = code.co_exceptiontable.hex()
    return "\n".join((code.co_code.hex(), handlers, *map(repr, names), *constants))


def _constant(value: Any) -> str:
    if isinstance(value, CodeType):
        return _code_text(value)
    if isinstance(value, frozenset):
        return f"frozenset{sorted(map(repr, value))}"
    return repr(value)


def _default(value: Any) -> str:
    try:
        return hash_value(value)
    except Unhashable:
        return ""


def _written(value: Any) -> bytes:
    if is_json(value):
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return b"j" + text.encode("utf-8", "surrogatepass")
    return b"p" + stable(value, _stand)


def _stand(value: Any, write: Write) -> Any:
    kind = type(value)
    if kind is dict:
        return "dict", sorted((write(key), write(item)) for key, item in value.items())
    if kind is set or kind is frozenset:
        return "set", sorted(map(write, value))
    if hasattr(kind, "__pydantic_fields__") and hasattr(value, "model_dump"):
        # Which fields were given and which are defaults makes no difference to what it is.
        fields = {**value.__dict__, **(value.__pydantic_extra__ or {})}
        return "model", f"{kind.__module__}.{kind.__qualname__}", write(fields)
    return None
