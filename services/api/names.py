"""Finds a definition by what people call it: its name or its id."""

from __future__ import annotations

from upshot.automations.suggestions import did_you_mean
from upshot.events.exceptions import NotFound
from upshot.events.ids import derived_id

from ..catalog import Catalog


async def resolve(catalog: Catalog, kind: str, wanted: str) -> str:
    """Return the name of a definition that is given by name or id.

    Raises:
        NotFound: there is none; the message names the nearest one.
    """
    if await catalog.has(kind, wanted):
        return wanted
    names = await catalog.names(kind)
    identity = wanted.removeprefix(f"{kind}.")
    for name in names:
        if derived_id(kind, name) == identity:
            return name
    shown = wanted[:200]
    raise NotFound(f"no {kind} is called {shown!r}{did_you_mean(shown, set(names))}")


async def resolve_or_take(catalog: Catalog, kind: str, wanted: str) -> str:
    """Return the name of a definition that is there, or else what is given as a new name."""
    try:
        return await resolve(catalog, kind, wanted)
    except NotFound:
        return wanted
