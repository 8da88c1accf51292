"""Writes values as bytes that are the same for equal values, in every process; nothing loads them.

Pickle does the writing, without its memory of objects that it has met: so it makes no difference
which parts of a value are one object and which are equal ones.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from hashlib import blake2b
from typing import Any, Final, TypeAlias

Write: TypeAlias = Callable[[Any], bytes]
"""Writes a part of a value by itself."""

Stand: TypeAlias = Callable[[Any, Write], Any]
"""Returns what is written in the place of a part, or None where that is written as it is."""

_MOST_PARTS: Final = 500_000
"""Written one by one; a value with more may be endless that way, as it has some in many places."""


def stable(value: Any, stand: Stand, *, circular: bool = False) -> bytes:
    """Return the bytes of a value; where it has too many parts, each object is written once.

    Args:
        stand: what is not the same in every process (the order of a set) is changed by this.
        circular: take values that hold themselves as well.

    Raises:
        ValueError: the value holds itself, and must not.
        Exception: pickle does not take it; it runs code of the value's own.
    """
    try:
        return _Writing(stand).write(value)
    except ValueError as error:
        if not (circular or isinstance(error, _TooMany)):
            raise
    return _Writing(stand, sharing=True).write(value)


class _TooMany(ValueError):
    """A value has too many parts to write each as often as it is met."""


class _Writing:
    """One way through a value.

    Args:
        sharing: what is met again is not written again.
    """

    def __init__(self, stand: Stand, *, sharing: bool = False) -> None:
        self._stand, self.sharing = stand, sharing
        self._parts = 0
        self._written: dict[int, tuple[Any, bytes]] = {}

    def write(self, value: Any) -> bytes:
        buffer = io.BytesIO()
        _Pickler(buffer, self).dump(value)
        return buffer.getvalue()

    def stand_for(self, part: Any) -> Any:
        self._parts += 1
        if self._parts > _MOST_PARTS and not self.sharing:
            raise _TooMany
        return self._stand(part, self._write_once if self.sharing else self.write)

    def _write_once(self, part: Any) -> bytes:
        if id(part) not in self._written:
            body = blake2b(self.write(part), digest_size=16).digest()
            self._written[id(part)] = part, body  # with the part, so that its id stays its own
        return self._written[id(part)][1]


class _Pickler(pickle.Pickler):
    def __init__(self, buffer: io.BytesIO, writing: _Writing) -> None:
        super().__init__(buffer, protocol=5)
        self.fast = not writing.sharing
        self._writing = writing

    def persistent_id(self, part: Any) -> Any:
        return self._writing.stand_for(part)
