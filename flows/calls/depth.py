"""How deep calls may lie in one another: less deep than where the interpreter gives up."""

from __future__ import annotations

import sys

_SHARE = 3 / 4
"""Of the interpreter's own limit; the rest is room to record how the calls ended."""


def require_room(name: str) -> None:
    """Do nothing where what is called now can still be recorded if it fails.

    Raises:
        RecursionError: too many calls are under way within each other; it names the last one.
    """
    try:
        sys._getframe(int(sys.getrecursionlimit() * _SHARE))
    except ValueError:  # the stack is not that deep
        return
    raise RecursionError(f"{name} is not called: too many calls are under way within each other")
