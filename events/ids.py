"""Makes ids: time-ordered for what is new, derived for what must come out the same twice."""

from __future__ import annotations

import os
import time
from collections import deque
from functools import lru_cache
from hashlib import sha1
from typing import Final
from uuid import NAMESPACE_URL, uuid5

_NAMESPACE: Final = uuid5(NAMESPACE_URL, "https://upshot.invalid/ids").bytes
_VARIANT: Final = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}
_DIGITS: Final = 16
_PORTIONS: Final = 256


class _Random:
    """Random hexadecimal digits, fetched for many ids at once: a system call for each is slow.

    It also makes threads wait for each other, as each gives the interpreter away meanwhile.
    """

    def __init__(self) -> None:
        self._portions: deque[str] = deque()
        os.register_at_fork(after_in_child=self._portions.clear)  # two processes, two fetches

    def take(self) -> str:
        """Return 16 digits that nobody else gets."""
        try:
            return self._portions.popleft()
        except IndexError:
            digits = os.urandom(_PORTIONS * _DIGITS // 2).hex()
            own, *others = (digits[at : at + _DIGITS] for at in range(0, len(digits), _DIGITS))
            self._portions.extend(others)
            return own


_random: Final = _Random()


def new_id() -> str:
    """Return a UUID version 7 (RFC 9562): Unix milliseconds in 48 bits, then random ones.

    The 12 bits behind the version are a millisecond's 4096 parts (section 6.2, method 3), so that
    ids which a process makes in one millisecond are in order, too.
    """
    milliseconds, rest = divmod(time.time_ns(), 1_000_000)
    time_part, digits = f"{milliseconds:012x}7{rest * 4096 // 1_000_000:03x}", _random.take()
    return (
        f"{time_part[:8]}-{time_part[8:12]}-{time_part[12:]}"
        f"-{_VARIANT[digits[0]]}{digits[1:4]}-{digits[4:]}"
    )


@lru_cache(maxsize=2048)
def derived_id(*parts: str) -> str:
    """Return the id that these parts always have, so that doing a thing again names the same thing.

    Parts are length-prefixed, so ``("a", "bc")`` and ``("ab", "c")`` differ.
    """
    # As uuid5 would, in a quarter of the time: each firing and each action needs several.
    name = "".join([f"{len(part)}:{part}" for part in parts])
    digits = sha1(_NAMESPACE + name.encode(), usedforsecurity=False).hexdigest()
    return (
        f"{digits[:8]}-{digits[8:12]}-5{digits[13:16]}"
        f"-{_VARIANT[digits[16]]}{digits[17:20]}-{digits[20:32]}"
    )
