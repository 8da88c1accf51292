"""Ties a process's life to its parent's: as a call for Python, as a launcher for other programs.

The file runs as a script in front of a command (see `processes`), so it uses nothing but a few
modules of the standard library and starts within milliseconds.
"""

from __future__ import annotations

import os
import signal
import sys

BY_KERNEL = "kernel"
"""The kernel kills the child when its parent ends: Linux only, and without any cost."""
BY_WATCHER = "watcher"
"""A small process waits for the end of either and kills the child after its parent: anywhere."""

_PR_SET_PDEATHSIG = 1
_POLL_SECONDS = 0.5


def kernel_can_guard() -> bool:
    """Tell whether this system's kernel ends a child together with its parent."""
    return sys.platform == "linux"


def die_with_parent(parent: int | None = None) -> None:
    """Make this process be killed as soon as its parent ends, however that ends.

    On Linux the kernel does it, and it counts the end of the *thread* that started this process
    as the parent's end: start such children from a thread that stays. Elsewhere a thread looks
    twice a second.

    Args:
        parent: the process id of the parent, when the caller knows it from the parent itself: so
            a parent that ended before this call is noticed. By default the current parent.

    Raises:
        OSError: the kernel refused.
    """
    expected = os.getppid() if parent is None else parent
    if kernel_can_guard():
        _ask_kernel()
    else:
        _watch_parent_in_thread(expected)
    if os.getppid() != expected:
        os.kill(os.getpid(), signal.SIGKILL)


def _ask_kernel() -> None:
    import ctypes  # here, as only Linux needs it

    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _watch_parent_in_thread(parent: int) -> None:
    import threading
    import time

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_POLL_SECONDS)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="die-with-parent", daemon=True).start()


def _leave_watcher() -> None:
    """Leave a process behind that kills this one when standard input, the parent's pipe, closes."""
    target = os.getpid()
    end_of_target, held_by_target = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setsid()
            if os.fork() == 0:  # twice, so that the command has no child it knows nothing of
                _watch(target, end_of_target)
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(end_of_target)
    os.set_inheritable(held_by_target, True)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)


def _watch(target: int, end_of_target: int) -> None:
    import select

    # What is inherited must not stay open here: a lock would outlive the process it belongs to.
    os.closerange(1, end_of_target)
    os.closerange(end_of_target + 1, 4096)
    ended, _, _ = select.select([0, end_of_target], [], [])
    if end_of_target not in ended:
        os.kill(target, signal.SIGKILL)


def main(arguments: list[str]) -> None:
    """Become the command in `arguments`, guarded: how to guard, the parent's id, the command."""
    guard, parent, *command = arguments
    if guard == BY_KERNEL:
        die_with_parent(int(parent))
    else:
        _leave_watcher()
    try:
        os.execv(command[0], command)
    except OSError as error:
        sys.exit(f"cannot run {command[0]}: {error.strerror}")


if __name__ == "__main__":
    main(sys.argv[1:])
