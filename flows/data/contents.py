"""What an artifact may be made of: each part checked, and its data as JSON of a bounded size."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ..amount import TOO_MANY, holds_too_many
from ..exceptions import InvalidArtifact
from ..given import is_text, shown

MAX_BYTES: Final = 1024 * 1024
"""Of the JSON of one artifact's data."""
MAX_DESCRIPTION: Final = 10_000
"""Characters."""

_KEY: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_LONGEST_KEY: Final = 200


def check_key(key: object) -> None:
    """Refuse what is no key; None is as if none was given."""
    if key is None or (isinstance(key, str) and len(key) <= _LONGEST_KEY and _KEY.fullmatch(key)):
        return
    rule = f"lower-case letters, digits and dashes between them, at most {_LONGEST_KEY}"
    raise InvalidArtifact(f"key: {shown(key, 80)} is not made of {rule}")


def check_description(description: object) -> None:
    """Refuse a description that is no text, or too long."""
    if description is not None and len(checked_text("description", description)) > MAX_DESCRIPTION:
        raise InvalidArtifact(f"description: at most {MAX_DESCRIPTION:,} characters are kept")


def as_line(field: str, value: Any) -> bytes:
    """Return a value as JSON of one line."""
    from pydantic_core import to_json

    if holds_too_many(value):
        raise InvalidArtifact(f"{field}: {TOO_MANY}; show a part of it")
    try:
        body: bytes = to_json(value, inf_nan_mode="null", fallback=_plain)
    except (ValueError, RecursionError) as error:
        raise InvalidArtifact(f"{field}: can't be written as JSON: {error}") from error
    if len(body) > MAX_BYTES:
        raise InvalidArtifact(
            f"{field}: has {len(body):,} bytes as JSON; at most {MAX_BYTES:,} are kept. "
            "Put it into a file, and show a part of it or a link to it"
        )
    return body


def _plain(value: Any) -> Any:
    """Return what stands for a value that JSON does not know: numbers of arrays, or its text."""
    item = getattr(value, "item", None)
    return item() if callable(item) and getattr(value, "shape", None) == () else str(value)


def checked_text(field: str, value: object) -> str:
    """Return text, or refuse what is none."""
    if not isinstance(value, str):
        raise InvalidArtifact(f"{field}: must be text, not {type(value).__name__}")
    if not is_text(value):
        raise InvalidArtifact(f"{field}: can't be written as JSON: it is no Unicode")
    return value


def checked_progress(progress: Any) -> float:
    """Return how far it is, in percent."""
    is_number = isinstance(progress, int | float) and not isinstance(progress, bool)
    if is_number and 0 <= progress <= 100:
        return float(progress)
    raise InvalidArtifact(f"progress: must be a number from 0 to 100, not {shown(progress, 80)}")


def checked_table(table: Any) -> Any:
    """Return a table as dicts and lists."""
    if isinstance(table, Mapping):
        wrong = [name for name, column in table.items() if not _is_list(column)]
        if wrong:
            raise InvalidArtifact(f"table: column {wrong[0]!r} must be a list")
        return {str(name): list(column) for name, column in table.items()}
    if not _is_list(table):
        raise InvalidArtifact(f"table: must be a dict or a list, not {type(table).__name__}")
    for number, row in enumerate(table):
        if not (isinstance(row, Mapping) or _is_list(row)):
            raise InvalidArtifact(f"table: row {number} must be a dict or a list")
    return list(table)


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)
