"""Locks of one process, as users of Prefect write them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class MemoryLockManager:
    """What ``configure(lock_manager=…)`` takes; the store's own locks are used."""
