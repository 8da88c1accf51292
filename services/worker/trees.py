"""Process trees: finds and ends all that descends from a process, also what has left its session.

Whose parent dies is adopted by the nearest process above that asked for it. Each flow process does,
so all that it starts stays below it, and falls to its own parent when it ends.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

_PR_SET_CHILD_SUBREAPER: Final = 36
_LINUX: Final = sys.platform == "linux"
_PAUSE: Final = 0.002


def adopt_orphans() -> None:
    """Become the parent of whatever below this process loses its own; only Linux can do it."""
    if not _LINUX:
        return
    import ctypes  # here, as only Linux needs it

    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def children(since: int | None = None) -> list[int]:
    """Return the children of this process; none but on Linux.

    Args:
        since: a process id: only what was started after that one is looked at, which takes less.
    """
    if not _LINUX:
        return []
    own = str(os.getpid())
    pids = (int(each.name) for each in Path("/proc").iterdir() if each.name.isdigit())
    return [pid for pid in _younger(pids, since) if _parent_of(pid) == own]


def _younger(pids: Iterable[int], since: int | None) -> Iterable[int]:
    """Leave out what is older than a process: ids are given in turn, and begin anew at the end."""
    if since is None:
        return pids
    latest = int(Path("/proc/loadavg").read_text().rpartition(" ")[2])
    return (pid for pid in pids if pid > since or pid <= latest < since)


def _parent_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def kill_group(pid: int) -> None:
    """Kill the process group that a process leads, or led, if there is one."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def kill(pid: int) -> None:
    """Kill a child that was not waited for, and the group that it leads, if any."""
    kill_group(pid)
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)


def kill_strays(known: Collection[int], since: int | None = None) -> None:
    """Kill the children of this process but for those that it knows.

    The children of a stray are strays once that has ended: ask again then.

    Args:
        since: see :func:`children`.
    """
    for pid in children(since):
        if pid not in known:
            kill(pid)


def is_childless() -> bool:
    """Tell whether this process has no child at all, which costs nothing to ask."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return True
    return False


def clear(patience: float) -> bool:
    """End all that descends from this process; tell whether that worked within so many seconds."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        kill_strays(())
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                continue
        except ChildProcessError:
            return True
        time.sleep(_PAUSE)
    return False
