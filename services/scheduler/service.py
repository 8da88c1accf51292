"""What has to happen now and then, whoever else is there; several may run, as every step is atomic.

due runs → queues · runs that nobody takes → Late · parked actions → the stream
lapsed runs → ended or queued again
runs that nobody resumed in time → Failed · runs that wait for an event → on with it
transactions that are open where their run has ended → a worker, to be undone
entries left behind → somebody else, or the dead letters · old events, runs, firings → forgotten
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from upshot.events.settings import Settings
from upshot.events.store import Store

from .due import moving
from .lapsed import Lapsed
from .late import Late
from .litter import Litter
from .pauses import Pauses
from .periodic import Pass, every, repeat
from .sweep import Sweep
from .unfinished import Unfinished
from .upkeep import Upkeep
from .waits import Waits

_MINUTE: Final = 60.0
_LEASES_LEFT_BEHIND: Final = 2


def passes(store: Store, settings: Settings) -> Mapping[str, Pass]:
    """Return all that is done periodically, by name."""
    silence_ms = _LEASES_LEFT_BEHIND * settings.lease_ms
    often = min(1.0, settings.lease / 4)
    sweep = Sweep(store, silence_ms)
    lapsed = Lapsed(store, settings.lease_ms)
    late = Late(store, int(settings.late_after * 1000))
    pauses = Pauses(store, settings.lease_ms)
    unfinished = Unfinished(store, settings.lease_ms, int(settings.undo_after * 1000))
    upkeep = Upkeep(
        store,
        log_retention_ms=int(settings.log_retention * 1000),
        run_retention_ms=int(settings.run_retention * 1000),
        silence_ms=silence_ms,
        letter_retention_ms=int(settings.dead_letter_retention * 1000),
        letters=settings.dead_letter_limit,
        asset_retention_ms=int(settings.asset_retention * 1000),
    )
    return {
        "due runs": moving(store, "enqueue_due"),
        "parked actions": moving(store, "unpark"),
        "lapsed runs": every(often, lapsed.look),
        "late runs": late.mark,
        "late pauses": every(often, pauses.expire),
        "open transactions": every(settings.lease, unfinished.look),
        "waits for events": Waits(store, settings.lease_ms).work,
        "parts left behind": every(settings.lease, pauses.end_parts),
        "entries left behind": every(settings.lease / 2, sweep.run),
        "silent workers": every(settings.lease / 2, upkeep.miss_workers),
        "old events": every(_MINUTE, upkeep.trim),
        "old runs": every(_MINUTE, upkeep.forget),
        "litter": every(_MINUTE, Litter(store, int(settings.key_retention * 1000)).sweep),
        "idle consumers": every(10 * _MINUTE, sweep.forget_consumers),
    }


async def run(settings: Settings, store_url: str) -> None:
    """Run the scheduler until cancelled.

    Args:
        settings: how long leases hold and things are kept.
        store_url: address of the store.
    """
    store = Store(store_url)
    try:
        async with asyncio.TaskGroup() as group:
            for name, work in passes(store, settings).items():
                group.create_task(repeat(name, work), name=name)
    finally:
        await store.close()
