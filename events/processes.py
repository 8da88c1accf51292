"""Starts other programs as children that never outlive this process."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from . import lifeline
from .lifeline import die_with_parent

__all__ = ["GuardedProcess", "die_with_parent", "is_alive"]


def is_alive(pid: int) -> bool:
    """Tell whether a process of that id exists (a zombie does, until somebody asks for its end)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it exists, as another user's
        return True
    return True


class GuardedProcess:
    """A program in a session of its own that is killed when this process ends, even by `kill -9`.

    A thread starts it and stays until it ends, as the kernel takes the end of the starting thread
    for the end of the parent; so any thread may create one.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        output: int,
        pass_fds: Sequence[int] = (),
        umask: int = -1,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        guard: str | None = None,
    ) -> None:
        """Start `command`.

        Args:
            command: the absolute path of the program, then its arguments.
            output: file descriptor that takes its standard output and error.
            pass_fds: further descriptors it inherits.
            umask: its file mode mask; -1 leaves this process's one.
            cwd, env: its working folder and environment; by default those of this process.
            guard: `lifeline.BY_KERNEL` or `lifeline.BY_WATCHER`; by default the best there is.

        Raises:
            OSError: it could not be started.
        """
        if guard is None:
            guard = lifeline.BY_KERNEL if lifeline.kernel_can_guard() else lifeline.BY_WATCHER
        launcher = [sys.executable, "-I", "-S", lifeline.__file__, guard, str(os.getpid())]
        self._command = [*launcher, *command]
        # The watcher learns of our end by the pipe that nobody but us holds open.
        self._stdin = subprocess.PIPE if guard == lifeline.BY_WATCHER else subprocess.DEVNULL
        self._output, self._pass_fds, self._umask = output, pass_fds, umask
        self._cwd, self._env = cwd, env
        self._failure: OSError | None = None
        self._started, self._ended = threading.Event(), threading.Event()
        threading.Thread(target=self._live, name=f"guard {command[0]}", daemon=True).start()
        self._started.wait()
        if self._failure is not None:
            raise self._failure

    def _live(self) -> None:
        try:
            self._process = self._spawn()
        except OSError as error:
            self._failure = error
            return
        finally:
            self._started.set()
        self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._ended.set()

    def _spawn(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self._command,
            stdin=self._stdin,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            pass_fds=self._pass_fds,
            umask=self._umask,
            cwd=self._cwd,
            env=self._env,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        """Its process id; another process may have it once this one ended."""
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """Its exit code, minus the signal that killed it, or None while it runs."""
        return self._process.returncode if self._ended.is_set() else None

    def alive(self) -> bool:
        """Tell whether it still runs."""
        return not self._ended.is_set()

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait until it ends, `timeout` seconds at most; return its exit code, None if it runs."""
        self._ended.wait(timeout)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send it a signal; nothing happens when it has ended."""
        if self.alive():
            self._process.send_signal(number)
