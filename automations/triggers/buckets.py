"""Which bucket of a trigger an event falls into: one for each value of its ``for_each``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field

from .base import Facts

Reader = Callable[[Facts], str]

_LABEL_PREFIX: Final = "resource."
_EVENT: Final = "event."
LONGEST: Final = 1024
"""Characters of one value, as of a label; a longer one is cut and told apart by its digest."""


def _checked(entry: str) -> str:
    if entry.startswith("related:"):
        parts = entry.split(":", 2)
        if len(parts) != 3 or not all(parts):
            raise ValueError("write related:<role>:<label>")
    elif entry.startswith(_EVENT):
        raise ValueError(f"write {entry.removeprefix(_EVENT)!r}: it is always of the event")
    elif entry.startswith("payload.") and not all(entry.split(".")):
        raise ValueError("write payload.<path>")
    return entry


ForEach = Annotated[
    tuple[Annotated[str, Field(min_length=1, max_length=256), AfterValidator(_checked)], ...],
    Field(max_length=8),
]
"""Labels of the resource, ``related:<role>:<label>`` or ``payload.<path>``."""


def reader(entry: str) -> Reader:
    """Return what reads the value of one ``for_each`` entry; a missing value is ``""``."""
    if entry.startswith("related:"):
        _, role, label = entry.split(":", 2)
        return lambda facts: _of_related(facts, role, label)
    if entry.startswith("payload."):
        path = entry.split(".")[1:]
        return lambda facts: _of_payload(facts, path)
    label = entry.removeprefix(_LABEL_PREFIX)
    return lambda facts: facts.resource.get(label, "")


def _of_related(facts: Facts, role: str, label: str) -> str:
    for resource in facts.related:
        if resource.get("role") == role:
            return resource.get(label, "")
    return ""


def _of_payload(facts: Facts, path: list[str]) -> str:
    value: Any = facts.body.get("payload")
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    if value is None or isinstance(value, str):
        return _bounded(value or "")
    return _bounded(json.dumps(value, sort_keys=True))


def _bounded(value: str) -> str:
    """Return a value that names, records and events can carry, another one for each other value."""
    if len(value) <= LONGEST:
        return value
    digest = hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{value[: LONGEST - 72]}…sha256:{digest}"


def bucket_of(values: list[str]) -> str:
    """Return the name of the bucket that these ``for_each`` values have."""
    return values[0] if len(values) == 1 else json.dumps(values, separators=(",", ":"))


def values_of(entries: tuple[str, ...], bucket: str) -> dict[str, str]:
    """Return the values that a bucket stands for, by ``for_each`` entry."""
    if not entries:
        return {}
    values = [bucket] if len(entries) == 1 else json.loads(bucket)
    return dict(zip(entries, values, strict=True))
