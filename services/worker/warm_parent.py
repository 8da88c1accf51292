"""A warm parent: has imported one entrypoint's module and forks a process for each of its runs."""

from __future__ import annotations

import atexit
import gc
import os
import signal
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from upshot.events.store import SyncStore
from upshot.flows.flowruns.process import execute, preload
from upshot.flows.schemas.files import changed_at, own_files

from .forking import Change, Children, serve
from .one_after_another import execute_each
from .trees import adopt_orphans
from .wire import Channel, Message, taken


class WarmParent:
    """Serves the worker at the other end of ``channel``.

    Args:
        channel: how the worker is reached.
        store_url: address of the store, for the flow processes.
        lease_ms: their lease.
    """

    def __init__(self, channel: Channel, store_url: str, lease_ms: int) -> None:
        self._channel = channel
        self._store = SyncStore(store_url)
        self._lease_ms = lease_ms
        self._children = Children()
        self._retired = False

    def run(self) -> None:
        """Serve until the worker is gone, or until retired and without children."""
        with suppress(ConnectionError):
            serve(self._channel, self._children, self._handle, self._tell, self._done)
        self._children.end_all()

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
        pid = self._children.fork(message["start"], lambda: self._become(message))
        self._channel.send({"started": message["start"], "pid": pid})

    def _become(self, message: Message) -> int:
        """Be a flow process, in a session of its own: what it starts ends with it."""
        os.setsid()
        adopt_orphans()
        self._channel.close()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.environ.update(message["env"])
        if "command" in message:
            become_program(message["command"], message["cwd"])
        reseed()
        try:
            return self._run(message)
        finally:
            atexit._run_exitfuncs()

    def _run(self, message: Message) -> int:
        if "reports_to" in message:
            number, address = message["start"], message["reports_to"]
            return execute_each(address, number, self._store, self._lease_ms)
        return execute(self._store, taken(message), self._lease_ms, tells=message["tells"])

    def _tell(self, change: Change) -> None:
        if change.code is None:
            self._channel.send({"stopped": change.number, "now": change.stopped})
            return
        self._channel.send({"ended": change.number, "status": change.code})


def become_program(command: list[str], folder: str) -> NoReturn:
    """Run a program in place of this process, in a folder.

    Raises:
        OSError: there is no such program, or no such folder.
    """
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, programs expect them
        signal.signal(number, signal.SIG_DFL)
    if folder:
        os.chdir(folder)
    os.execvp(command[0], command)


def live(
    channel: Channel, entrypoint: str, store_url: str, lease_ms: int, folder: str = ""
) -> None:
    """Be the warm parent of an entrypoint: import its module, then serve the worker.

    Args:
        folder: where it stands, if not where the worker does.
    """
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    before = set(sys.modules)
    if folder:
        os.chdir(folder)
    if entrypoint:
        warm(entrypoint)
    channel.send({"loaded": loaded_files(entrypoint, before) if entrypoint else []})
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
    paths = {str(file), *own_files(before)}
    return [(path, changed_at(path)) for path in sorted(paths)]


def reseed() -> None:
    """Give this process random numbers of its own: Python's are, NumPy's are not."""
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed()
