"""Traces an event: the events that led to it, and those that came of it.

back: from event to event by what each one follows; forward: all that follow it, and them, …
Both look into the log and, behind it, into the archive.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Final

from upshot.events.event import Recorded
from upshot.events.log import order, recorded
from upshot.events.store import Store

from .archive import Archive

MOST: Final = 1_000
"""Causes, and effects, of one trace."""

_PAGE: Final = 1_000
_FOLLOWS: Final = b'"follows":"'


@dataclass(slots=True)
class Trace:
    """An event between its causes and its effects.

    Attributes:
        causes: what led to it, the first cause first.
        effects: what came of it, oldest first; each follows the event, or another effect.
        missing: id of the event that the chain back ends at because it is not recorded.
        more: whether there are more effects than are told.
    """

    event: Recorded
    causes: list[Recorded] = field(default_factory=list)
    effects: list[Recorded] = field(default_factory=list)
    missing: str | None = None
    more: bool = False


async def trace(store: Store, archive: Archive, event: Recorded) -> Trace:
    """Return an event's causes and effects."""
    found = Trace(event)
    await _back(store, archive, found)
    await _forward(store, archive, found)
    return found


async def _back(store: Store, archive: Archive, found: Trace) -> None:
    wanted = await _back_in_log(store, found)
    reader = await archive.reader() if wanted else None
    while wanted is not None and reader is not None and len(found.causes) < MOST:
        earlier = await reader.events_of_ids([wanted])
        if not earlier or _is_known(found, wanted):
            break
        found.causes.append(earlier[0])
        wanted = _followed(earlier[0])
    found.missing = None if wanted and _is_known(found, wanted) else wanted
    found.causes.reverse()


async def _back_in_log(store: Store, found: Trace) -> str | None:
    """Go back through the log; return the id that it does not have, if there is one."""
    wanted = _followed(found.event)
    if wanted is None:
        return None
    async for entry in _entries(store, found.event.position, newest_first=True):
        if wanted.encode() in entry[1][1] and (event := recorded(entry)).id == wanted:
            found.causes.append(event)
            wanted = _followed(event)
            if wanted is None or len(found.causes) == MOST:
                return None
    return wanted


async def _forward(store: Store, archive: Archive, found: Trace) -> None:
    effects: dict[str, Recorded] = {}
    known = {found.event.id}
    level = [found.event.id]
    reader = await archive.reader()
    while level and reader is not None and len(effects) <= MOST:
        following = await reader.events_following(level)
        level = [each.id for each in following if each.id not in known]
        known.update(level)
        effects.update((each.id, each) for each in following)
    async for entry in _entries(store, found.event.position, newest_first=False):
        if len(effects) > MOST:
            break
        if _FOLLOWS in entry[1][1] and _followed(event := recorded(entry)) in known:
            known.add(event.id)
            effects[event.id] = event
    effects.pop(found.event.id, None)
    ordered = sorted(effects.values(), key=lambda each: order(each.position))
    found.effects, found.more = ordered[:MOST], len(ordered) > MOST


async def _entries(store: Store, beyond: str, *, newest_first: bool) -> AsyncIterator[Any]:
    """Yield the log's raw entries on one side of a position."""
    key, at = store.keys("log"), f"({beyond}"
    while True:
        asked = ("XREVRANGE", key, at, "-") if newest_first else ("XRANGE", key, at, "+")
        entries: list[Any] = await store.execute(*asked, "COUNT", _PAGE)
        for entry in entries:
            yield entry
        if len(entries) < _PAGE:
            return
        at = f"({entries[-1][0].decode()}"


def _followed(event: Recorded) -> str | None:
    followed: str | None = event.body.get("follows")
    return followed


def _is_known(found: Trace, identity: str) -> bool:
    """Tell whether the chain goes round: senders may say what they like of what follows what."""
    return identity == found.event.id or any(each.id == identity for each in found.causes)
