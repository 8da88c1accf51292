"""Public faces: what a package offers, of which each name loads when it is first used."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any


def face(package: str, offered: Mapping[str, str]) -> Callable[[str], Any]:
    """Return the ``__getattr__`` of a package, which answers for its ``__all__`` as well.

    Args:
        package: its name.
        offered: for each module, as seen from the package, the names from it, with blanks between.
    """
    module_of = {name: module for module, names in offered.items() for name in names.split()}

    def load(name: str) -> Any:
        """Load a public name from its module, once.

        Raises:
            AttributeError: when the package has no such public name.
        """
        if name == "__all__":
            return sorted(module_of)
        if name not in module_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(module_of[name], package), name)
        setattr(sys.modules[package], name, value)
        return value

    return load
