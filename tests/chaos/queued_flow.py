"""A flow that only takes a while, and says in which process."""

from __future__ import annotations

import os
import time
from pathlib import Path

from upshot import flow


@flow
def queued(folder: str, seconds: float) -> None:
    """Note the process, and stay for a while."""
    note = Path(folder) / str(os.getpid())
    note.touch()
    time.sleep(seconds)
    note.unlink(missing_ok=True)
