"""A warm parent: has imported one entrypoint's module and forks a process for each of its runs."""

from __future__ import annotations

import atexit
import gc
import os
import signal
import sys
import sysconfig
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Final

from upshot.flows.process import execute, preload

from .forking import Change, Children, serve
from .wire import Channel, Message

_INSTALLED: Final = ("site-packages", "dist-packages")
_PYTHON: Final = tuple({Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib")})


class WarmParent:
    """Serves the worker at the other end of ``channel``.

    Args:
        channel: how the worker is reached.
        store_url: address of the store, for the flow processes.
        lease_ms: their lease.
    """

    def __init__(self, channel: Channel, store_url: str, lease_ms: int) -> None:
        self._channel = channel
        self._store_url = store_url
        self._lease_ms = lease_ms
        self._children = Children()
        self._retired = False

    def run(self) -> None:
        """Serve until the worker is gone, or until retired and without children."""
        with suppress(ConnectionError):
            serve(self._channel, self._children, self._handle, self._tell, self._done)
        self._children.kill_all()

    def _done(self) -> bool:
        return self._retired and not self._children

    def _handle(self, message: Message, _: list[int]) -> None:
        if "start" in message:
            self._start(message)
        elif "signal" in message:
            self._children.signal(message["signal"], message["number"])
        else:
            self._retired = True

    def _start(self, message: Message) -> None:
        number, run_id, epoch = message["start"], message["run"], message["epoch"]
        pid = self._children.fork(number, lambda: self._become(run_id, epoch))
        self._channel.send({"started": number, "pid": pid})

    def _become(self, run_id: str, epoch: int) -> int:
        """Be the flow process of a run, in a session of its own: what it starts ends with it."""
        os.setsid()
        self._channel.close()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        reseed()
        try:
            return execute(self._store_url, run_id, epoch, self._lease_ms)
        finally:
            atexit._run_exitfuncs()

    def _tell(self, change: Change) -> None:
        if change.code is None:
            self._channel.send({"stopped": change.number, "now": change.stopped})
            return
        if change.code != 0:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(change.pid, signal.SIGKILL)  # what a dead flow process left behind
        self._channel.send({"ended": change.number, "status": change.code})


def live(channel: Channel, entrypoint: str, store_url: str, lease_ms: int) -> None:
    """Be the warm parent of an entrypoint: import its module, then serve the worker."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    before = set(sys.modules)
    warm(entrypoint)
    channel.send({"loaded": loaded_files(entrypoint, before)})
    gc.collect()
    gc.freeze()
    WarmParent(channel, store_url, lease_ms).run()


def warm(entrypoint: str) -> None:
    """Import the entrypoint's module; what goes wrong is said where a run of it fails."""
    try:
        if (here := str(Path.cwd())) not in sys.path:
            sys.path.append(here)
    except FileNotFoundError:  # the folder was deleted; the file may be somewhere else
        traceback.print_exc()
    try:
        preload(entrypoint)
    except Exception:  # noqa: BLE001 - the user's own code: each run says what it did
        traceback.print_exc()


def loaded_files(entrypoint: str, before: set[str]) -> list[tuple[str, int]]:
    """Return the user's own source files that are in memory now, with the time of their change."""
    file = Path(entrypoint.rpartition(":")[0]).absolute()
    paths = {str(file)}
    for name, module in list(sys.modules.items()):
        path = getattr(module, "__file__", None)
        if name not in before and path and is_own(Path(path).absolute()):
            paths.add(str(Path(path).absolute()))
    return [(path, changed_at(path)) for path in sorted(paths)]


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


def reseed() -> None:
    """Give this process random numbers of its own: Python's are, NumPy's are not."""
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed()
