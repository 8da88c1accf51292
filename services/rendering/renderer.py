"""Renders actions: quick ones at once, others in a process that ends with those that don't."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import Any, Final

import structlog
from pydantic_core import from_json, to_json

from upshot.automations.actions import BaseAction, Request
from upshot.automations.exceptions import TemplateFailed

from ..exceptions import TryFailed
from .process import LENGTH, MAX_SECONDS

log = structlog.get_logger(__name__)

QUICK: Final = 1_000_000
"""Operations times bytes: so much takes a few milliseconds at most."""
PATIENCE: Final = 20.0
"""Seconds for an answer: a stopped or starved process is given up then."""
IDLE: Final = 60.0
"""Seconds after which a process that nobody needs is let go."""
_PROGRAM: Final = "from upshot.services.rendering.process import main; main()"
_ENVIRONMENT: Final = ("PATH", "HOME", "LANG", "LC_ALL", "VIRTUAL_ENV", "PYTHONPATH", "TZ")


class Renderer:
    """Renders actions.

    Args:
        processes: how many processes there may be for templates that may run long.
        program: Python that they run.
    """

    def __init__(self, processes: int = 2, *, program: str = _PROGRAM) -> None:
        self._all = [_Process(program) for _ in range(processes)]
        self._free: asyncio.LifoQueue[_Process] = asyncio.LifoQueue()
        for process in self._all:
            self._free.put_nowait(process)

    async def render(
        self, action: BaseAction, context: dict[str, Any], *, effort: int | None, size: int
    ) -> Request:
        """Fill the templates of an action in.

        Args:
            context: what they see. size: about how many bytes of JSON that is.
            effort: of the action, as :func:`effort_of` tells it.

        Raises:
            TemplateFailed: something is missing, comes out wrong, or takes too long.
            TryFailed: the process could not do it; a later try may succeed.
        """
        if effort is not None and effort * size <= QUICK:
            return action.render(context)
        body = {"action": action.model_dump(mode="json", by_alias=True), "context": context}
        process = await self._free.get()
        try:
            return _request(await process.ask(to_json(body)))
        finally:
            self._free.put_nowait(process)

    async def close(self) -> None:
        """End the processes."""
        for process in self._all:
            await process.end()


def _request(answer: dict[str, Any]) -> Request:
    if answer.get("killed") == -signal.SIGPROF:
        raise TemplateFailed(f"the templates take more than {MAX_SECONDS:g} s to fill in")
    if "killed" in answer:
        raise TemplateFailed(f"filling the templates in ended its process ({answer['killed']})")
    if "failed" in answer:
        raise TemplateFailed(answer["failed"])
    return Request(answer["type"], answer["arguments"])


class _Process:
    """One process, started when it is asked for the first time."""

    def __init__(self, program: str) -> None:
        self._program = program
        self._process: asyncio.subprocess.Process | None = None
        self._idle: asyncio.TimerHandle | None = None

    async def ask(self, body: bytes) -> dict[str, Any]:
        """Return the answer to a request.

        Raises:
            TryFailed: there is none.
        """
        if self._idle is not None:
            self._idle.cancel()
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._exchange(await self._running(), body)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, ValueError) as error:
            log.warning("the process for templates gave no answer", why=repr(error))
            await self.end()
            raise TryFailed(f"the templates could not be filled in: {error!r}") from error
        except asyncio.CancelledError:
            await self.end()  # its answer would be taken for that of the next request
            raise
        finally:
            self._idle = asyncio.get_running_loop().call_later(IDLE, self._let_go)

    async def _running(self) -> asyncio.subprocess.Process:
        if self._process is None or self._process.returncode is not None:
            environment = {key: os.environ[key] for key in _ENVIRONMENT if key in os.environ}
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-c", self._program),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env=environment,
            )
        return self._process

    async def _exchange(self, process: asyncio.subprocess.Process, body: bytes) -> dict[str, Any]:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(LENGTH.pack(len(body)) + body)
        await process.stdin.drain()
        (length,) = LENGTH.unpack(await process.stdout.readexactly(LENGTH.size))
        return from_json(await process.stdout.readexactly(length))  # type: ignore[no-any-return]

    def _let_go(self) -> asyncio.subprocess.Process | None:
        """Close its stdin, so that it ends by itself; a new one is started when it is needed."""
        process, self._process = self._process, None
        if process is not None and process.stdin is not None:
            process.stdin.close()
        return process

    async def end(self) -> None:
        """End it, whatever it does."""
        if self._idle is not None:
            self._idle.cancel()
        process = self._let_go()
        if process is None:
            return
        try:
            async with asyncio.timeout(1.0):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
