"""The store's clock, by which leases run out and waits end."""

from __future__ import annotations

from collections.abc import Sequence


def unix_ms(clock: Sequence[bytes | int | str]) -> int:
    """Return what the store answers to ``TIME`` as Unix milliseconds."""
    seconds, microseconds = clock
    return int(seconds) * 1000 + int(microseconds) // 1000
