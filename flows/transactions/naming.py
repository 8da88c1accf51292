"""Names of hooks, by which another process finds them."""

from __future__ import annotations

import sys
from typing import Any

_PROGRAM = "__main__"


def name_of(function: Any) -> str | None:
    """Return ``module:name`` of a function, or None where that leads to another one, or none."""
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    if not module or not name or _found(module, name) is not function:
        return None
    return f"{module}:{name}"


def named(told: str, program: str) -> Any:
    """Return what a name leads to now, or None.

    Args:
        program: the module that was the program, where that is how the name was made.
    """
    module, _, name = told.partition(":")
    return _found(program if module == _PROGRAM else module, name)


def _found(module: str, name: str) -> Any:
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found
