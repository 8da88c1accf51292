"""Makes a store fit for use: checks what it promises, and puts the atomic functions into it."""

from __future__ import annotations

import sys

from redis.asyncio import Redis

from upshot.events.checks import Finding, inspect, require_suitable
from upshot.events.exceptions import StoreUnsuitable
from upshot.events.log import Log
from upshot.events.store import Store


async def prepare(url: str) -> None:
    """Check the store at ``url``, tell of what weakens a promise, and load the functions.

    Raises:
        StoreUnsuitable: it can't keep the promises, or the address has a wrong form.
        StoreUnavailable: it does not answer.
    """
    for finding in await _inspected(url):
        print(f"warning: {finding.message}", file=sys.stderr)  # noqa: T201 - for whoever starts it
    store = Store(url)
    try:
        await store.load_functions()
        await Log(store).expect("archiver")  # else the log could be trimmed before it began
    finally:
        await store.close()


async def _inspected(url: str) -> list[Finding]:
    """Return the warnings about a store."""
    try:
        client = Redis.from_url(url)
    except ValueError as error:
        raise StoreUnsuitable(f"redis_url: {error}") from error
    async with client:
        findings = await inspect(client)
    require_suitable(findings)
    return findings
