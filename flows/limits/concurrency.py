"""Limits on how much is under way at a time: ``concurrency`` in code, and those of tasks by tag."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Final, Self

from ..context import RunContext, require_here
from ..deadline import Deadline
from ..exceptions import Interrupted, LimitTimeout
from ..given import FLAG, SECONDS, maybe, require, texts, whole, wrong
from ..waiting.boundary import pass_boundary, pass_boundary_async
from .slots import Claim, Wanted

_LOWEST: Final = 1000
_LONGEST_NAME: Final = 500


class concurrency:
    """Has slots of limits for as long as a ``with`` block, or ``async with`` block, runs.

    While none is free it waits in line. A dead holder's slots are free again with its run's end.

    Args:
        names: of limits; slots of all of them at once.
        occupy: how many slots of each.
        timeout_seconds: how long to wait at most; 0 does not wait at all.
        strict: whether it is an error that nobody defined the limit; else nothing limits then.
        priority: from -1000 to 1000; lower ones are served first, equal ones as they came.

    Raises:
        LimitTimeout: no slot was free in time. LimitTooSmall: there are fewer in all.
        NoLimit: nobody defined it, and ``strict`` is set. OutsideRun: no flow is under way here.
        WrongArgument: naming one that is none.
    """

    def __init__(
        self,
        names: str | Iterable[str],
        occupy: int = 1,
        timeout_seconds: float | None = None,
        strict: bool = False,
        *,
        priority: int = 0,
    ) -> None:
        check_wanted(occupy, timeout_seconds, strict)
        require(whole(-_LOWEST, _LOWEST), priority=priority)
        self._wanted = Wanted(names_of(names), occupy, priority, timeout_seconds, strict)
        self._claims: list[tuple[RunContext, Claim | None]] = []

    def __enter__(self) -> Self:
        context = require_here("concurrency").context
        self._claims.append((context, acquire(context, self._wanted)))
        return self

    def __exit__(self, *_error: object) -> None:
        release(*self._claims.pop())

    async def __aenter__(self) -> Self:
        context = require_here("concurrency").context
        self._claims.append((context, await acquire_async(context, self._wanted)))
        return self

    async def __aexit__(self, *_error: object) -> None:
        await asyncio.to_thread(release, *self._claims.pop())


def names_of(names: str | Iterable[str]) -> tuple[str, ...]:
    """Return the names of limits, each once; WrongArgument where these are none."""
    given = texts("names", [names] if isinstance(names, str) else names)
    if not given or not all(0 < len(name) <= _LONGEST_NAME for name in given):
        rule = f"must be the name of a limit, of 1 to {_LONGEST_NAME} characters, or several"
        raise wrong("names", names, rule)
    return tuple(sorted(set(given)))


def check_wanted(occupy: object, timeout_seconds: object, strict: object) -> None:
    """Refuse how much of a limit, and for how long, nobody can ask for."""
    require(whole(1), occupy=occupy)
    require(maybe(SECONDS), timeout_seconds=timeout_seconds)
    require(FLAG, strict=strict)


def acquire(context: RunContext, wanted: Wanted) -> Claim | None:
    """Wait for slots in this thread; None where nothing limits."""
    deadline = Deadline(wanted.timeout)
    while True:
        woken = threading.Event()
        claim = context.journal.slots.ask(context, wanted, woken.set)
        try:
            woken.wait(deadline.left())
            if claim is None or claim.has:
                return claim
            _require_going(context, wanted, deadline)
        except BaseException:
            release(context, claim)
            raise
        release(context, claim)
        pass_boundary(context)


def _require_going(context: RunContext, wanted: Wanted, deadline: Deadline) -> None:
    """Do nothing where it is to ask again; Interrupted or LimitTimeout where not."""
    if context.stopping.is_set():
        raise Interrupted("the flow run stopped")
    if deadline.is_over():
        raise LimitTimeout(
            f"limit {', '.join(wanted.limits)}: no slot within {wanted.timeout:g} seconds"
        )


async def acquire_async(context: RunContext, wanted: Wanted) -> Claim | None:
    """Do the same in a coroutine."""
    deadline = Deadline(wanted.timeout)
    while True:
        woken = asyncio.Event()
        claim = await _ask_async(context, wanted, woken)
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(woken.wait(), deadline.left())
            if claim is None or claim.has:
                return claim
            _require_going(context, wanted, deadline)
        except BaseException:
            release(context, claim)
            raise
        release(context, claim)
        await pass_boundary_async(context)


async def _ask_async(context: RunContext, wanted: Wanted, woken: asyncio.Event) -> Claim | None:
    loop = asyncio.get_running_loop()

    def wake() -> None:
        with suppress(RuntimeError):  # the loop was closed: nobody waits there any more
            loop.call_soon_threadsafe(woken.set)

    asking = asyncio.ensure_future(
        asyncio.to_thread(context.journal.slots.ask, context, wanted, wake)
    )
    try:
        return await asyncio.shield(asking)
    except asyncio.CancelledError:
        asking.add_done_callback(lambda done: _forget(context, done))
        raise


def _forget(context: RunContext, asked: asyncio.Future[Claim | None]) -> None:
    if not asked.cancelled() and asked.exception() is None:
        release(context, asked.result())


def release(context: RunContext, claim: Claim | None) -> None:
    """Give slots back, where some were had."""
    if claim is not None:
        context.journal.slots.release(claim)


@contextmanager
def tagged(context: RunContext, tags: Sequence[str]) -> Iterator[None]:
    """Have slots of the limits that tags have."""
    wanted = _of_tags(context, tags) if tags else None
    claim = acquire(context, wanted) if wanted else None
    try:
        yield
    finally:
        release(context, claim)


@asynccontextmanager
async def tagged_async(context: RunContext, tags: Sequence[str]) -> AsyncIterator[None]:
    """Do the same in a coroutine."""
    wanted = await asyncio.to_thread(_of_tags, context, tags) if tags else None
    claim = await acquire_async(context, wanted) if wanted else None
    try:
        yield
    finally:
        if claim is not None:
            await asyncio.to_thread(release, context, claim)


def _of_tags(context: RunContext, tags: Sequence[str]) -> Wanted | None:
    names = context.journal.slots.defined(f"tag:{tag}" for tag in tags)
    return Wanted(names) if names else None
