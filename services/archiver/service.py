"""The archiver: reads the log and writes it, with its cursor, into the database.

take the lease → bring the database to the present form → then, as long as the lease is ours:
read a stretch of the log → look up in the store what it changed → commit rows and cursor in one
transaction → tell the store, which may then trim its log → drop rows that are past their time
"""

from __future__ import annotations

from upshot.events.settings import Settings
from upshot.events.store import Store
from upshot.services.history.address import database_url

from .archiving import Archiver


async def run(settings: Settings, store_url: str) -> None:
    """Run the archiver on the store at ``store_url`` until cancelled."""
    store = Store(store_url)
    archiver = Archiver(
        store,
        database_url(settings),
        lease_ms=settings.lease_ms,
        retention_ms=int(settings.history_retention * 1000),
    )
    try:
        await archiver.run()
    finally:
        await store.close()
