"""The process in which templates run that may run long: the kernel stops it when one does.

The process imports what it needs, then forks a worker that answers requests. A worker that takes
too much processor time or memory ends; the process tells so in its place and forks the next one.

stdin: length (4 bytes, big endian), JSON ``{"action", "context"}``
stdout: length, JSON ``{"type", "arguments"}``, ``{"failed"}`` or ``{"killed"}``
"""

from __future__ import annotations

import contextlib
import mmap
import os
import resource
import signal
import struct
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter
from pydantic_core import from_json, to_json

from upshot.automations.actions import Action, BaseAction
from upshot.automations.exceptions import TemplateFailed
from upshot.events.lifeline import die_with_parent

MAX_SECONDS: Final = 0.07
"""Processor time for the templates of one action."""
MAX_MEMORY: Final = 32 * 1024 * 1024
"""Bytes that they may take, besides the values that they are given."""
LENGTH: Final = struct.Struct("!I")

_ADAPTER: Final[TypeAdapter[BaseAction]] = TypeAdapter(Action)
_STATM: Final = Path("/proc/self/statm")


def main() -> None:
    """Answer requests until stdin ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    busy, own = mmap.mmap(-1, 1), os.getpid()
    while True:
        worker = os.fork()
        if worker == 0:
            die_with_parent(own)
            _serve(busy)
        _, status = os.waitpid(worker, 0)
        if os.waitstatus_to_exitcode(status) == 0:
            return
        if busy[0]:
            busy[0] = 0
            _send(to_json({"killed": os.waitstatus_to_exitcode(status)}))


def _serve(busy: mmap.mmap) -> None:
    """Answer requests; never return."""
    code = 1
    try:
        while (body := _read()) is not None:
            busy[0] = 1
            answer = _answer(from_json(body))
            busy[0] = 0
            _send(answer)
        code = 0
    except Exception as error:  # noqa: BLE001 - it is told, and ends this process
        sys.excepthook(type(error), error, error.__traceback__)
    finally:
        os._exit(code)  # whatever happens, this is not the process that forks


def _answer(request: dict[str, Any]) -> bytes:
    try:
        return to_json(_rendered(request))
    except ValueError as error:
        return to_json({"failed": f"what comes out is no JSON: {error}"})


def _rendered(request: dict[str, Any]) -> dict[str, Any]:
    """Render one action within the limits."""
    action = _compiled(to_json(request["action"]))
    with _limited_memory():
        signal.setitimer(signal.ITIMER_PROF, MAX_SECONDS)
        try:
            rendered = action.render(request["context"])
        except TemplateFailed as error:
            return {"failed": str(error)}
        except (MemoryError, RecursionError) as error:
            return {"failed": f"the templates take too much memory ({type(error).__name__})"}
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
    return {"type": rendered.type, "arguments": rendered.arguments}


@lru_cache(maxsize=256)
def _compiled(action: bytes) -> BaseAction:
    return _ADAPTER.validate_python(from_json(action))


@contextlib.contextmanager
def _limited_memory() -> Any:
    """Let this process grow by ``MAX_MEMORY`` and no more; where a system can't, it may."""
    if not _STATM.exists():
        yield
        return
    size = int(_STATM.read_text().split()[0]) * resource.getpagesize()
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (size + MAX_MEMORY, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _read() -> bytes | None:
    head = _exactly(LENGTH.size)
    return None if head is None else _exactly(LENGTH.unpack(head)[0])


def _exactly(size: int) -> bytes | None:
    """Return so many bytes of stdin; None where it ends before."""
    parts, left = [], size
    while left:
        part = os.read(0, left)
        if not part:
            return None
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _send(body: bytes) -> None:
    left = memoryview(LENGTH.pack(len(body)) + body)
    while left:
        left = left[os.write(1, left) :]
