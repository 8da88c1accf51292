"""Makes ids: time-ordered for what is new, derived for what must come out the same twice."""

from __future__ import annotations

import os
import time
from uuid import NAMESPACE_URL, UUID, uuid5

_NAMESPACE = uuid5(NAMESPACE_URL, "https://upshot.invalid/ids")


def new_id() -> str:
    """Return a UUID version 7 (RFC 9562): 48 bits of Unix milliseconds, then random bits."""
    milliseconds = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10), "big")
    value = (milliseconds & 0xFFFF_FFFF_FFFF) << 80 | random
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return str(UUID(int=value))


def derived_id(*parts: str) -> str:
    """Return the id that these parts always have, so that doing a thing again names the same thing.

    Parts are length-prefixed, so ``("a", "bc")`` and ``("ab", "c")`` differ.
    """
    return str(uuid5(_NAMESPACE, "".join(f"{len(part)}:{part}" for part in parts)))
