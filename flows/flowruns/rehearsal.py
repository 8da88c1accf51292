"""A rehearsal: executes a flow that does nothing, with a store that agrees to everything.

A process that forks for flows does so once. What Python looks up, specialises and keeps when code
runs for the first time is there in each of its children then, and its memory stays shared.
"""

from __future__ import annotations

import io
from contextlib import redirect_stderr
from typing import Any, Final

from upshot.events.store import Commands, SyncStore

from ..definitions.flowdef import flow
from ..runs.flowrun import new_run
from ..states import State
from .process import execute

_LEASE_MS: Final = 15_000
_TIMES: Final = 12
"""Python specialises what has run some eight times, and writes that beside the code."""


@flow
def nothing() -> None:
    """What is rehearsed."""


class _Agreeing(SyncStore):
    def _exchange(self, commands: Commands) -> list[Any]:
        """Answer as the store does when a run enters a state."""
        return [[1, 1] for _ in commands]


def rehearse() -> None:
    """Execute it; what it says of itself is kept from everybody."""
    run = new_run("nothing", state=State("Pending"), entrypoint=f"{__name__}:nothing")
    with redirect_stderr(io.StringIO()):
        for _ in range(_TIMES):
            execute(_Agreeing("unix://nowhere"), run, _LEASE_MS)
