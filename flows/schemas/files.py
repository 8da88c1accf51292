"""The user's own source files that a process has in memory, and when they were changed."""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Container, Iterator
from pathlib import Path
from typing import Final

_INSTALLED: Final = ("site-packages", "dist-packages")
_PYTHON: Final = tuple({Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib")})


def own_files(before: Container[str] = ()) -> Iterator[str]:
    """Yield the files of modules that are neither installed nor a part of Python.

    Args:
        before: names of modules that do not count.
    """
    for name, module in list(sys.modules.items()):
        path = getattr(module, "__file__", None)
        if name not in before and path and is_own(Path(path).absolute()):
            yield str(Path(path).absolute())


def is_own(path: Path) -> bool:
    """Tell whether a module's file is the user's: neither installed nor a part of Python."""
    installed = any(part in _INSTALLED for part in path.parts)
    return not installed and not any(folder in path.parents for folder in _PYTHON)


def changed_at(path: str) -> int:
    """Return when a file was changed, Unix ns; 0 for one that is not there."""
    try:
        return Path(path).stat().st_mtime_ns
    except OSError:
        return 0
