"""Limits on how much begins in a time: ``rate_limit``."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import Any, Final

from ..aside import loop_here
from ..context import RunContext, require_here
from ..exceptions import Interrupted, LimitTimeout, NoLimit
from ..logs.capturing import run_logger
from .concurrency import check_wanted, names_of
from .slots import Wanted, concerned, limit_events

_NO_LIMIT: Final = -2


def rate_limit(
    names: str | Iterable[str],
    occupy: int = 1,
    timeout_seconds: float | None = None,
    strict: bool = False,
) -> Any:
    """Wait until it is this call's turn under limits with a ``slot_decay_per_second``.

    So many calls as a limit has slots go through at once, then as many a second as slots decay;
    each call has its own moment, in the order of the calls. In a coroutine, await it.

    Args:
        names, occupy, strict: as for :class:`concurrency`.
        timeout_seconds: how long to wait at most; what would take longer is refused at once.

    Raises:
        LimitTimeout: it would take too long.
        NoLimit, OutsideRun, WrongArgument: as for :class:`concurrency`.
    """
    check_wanted(occupy, timeout_seconds, strict)
    found = names_of(names)
    context = require_here("rate_limit").context
    wanted = Wanted(found, occupy, timeout=timeout_seconds, strict=strict)
    if loop_here() is not None:
        return _rate_limit_async(context, wanted)
    _sleep(context, _turn(context, wanted))
    return None


async def _rate_limit_async(context: RunContext, wanted: Wanted) -> None:
    await asyncio.sleep(await asyncio.to_thread(_turn, context, wanted))


def _turn(context: RunContext, wanted: Wanted) -> float:
    """Return in how many seconds it is the call's turn."""
    reached, _ = limit_events(wanted, concerned(context.flow_run))
    most = -1 if wanted.timeout is None else int(wanted.timeout * 1000)
    wait = context.journal.call("rate", wanted.slots, most, reached, *wanted.limits)
    if wait == _NO_LIMIT:
        if wanted.strict:
            raise NoLimit(f"no rate limit is called {' or '.join(wanted.limits)}")
        run_logger().debug("no rate limit is called %s", ", ".join(wanted.limits))
        return 0.0
    if wait < 0:
        raise LimitTimeout(f"limit {', '.join(wanted.limits)}: not before its time is over")
    return float(wait) / 1000


def _sleep(context: RunContext, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        if context.stopping.wait(left):
            raise Interrupted("the flow run stopped")
