"""Locks in files, as users of Prefect write them."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class FileSystemLockManager:
    """What ``configure(lock_manager=…)`` takes; the store's own locks are used.

    Attributes:
        lock_files_directory: stays empty.
    """

    lock_files_directory: str | Path
