"""Finds a definition by what people call it: its name or its id."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

from upshot.automations.suggestions import did_you_mean
from upshot.events.exceptions import NotFound
from upshot.events.ids import derived_id

from .catalog import Catalog

_ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MOST_COMPARED: Final = 2000


async def resolve(catalog: Catalog, kind: str, wanted: str) -> str:
    """Return the name of a definition that is given by name or id.

    Raises:
        NotFound: there is none; the message names the nearest one.
    """
    found = await find(catalog, kind, wanted)
    if found is not None:
        return found
    hint = nearest(wanted, await catalog.names(kind))
    raise NotFound(f"no {kind} is called {wanted[:200]!r}{hint}")


def nearest(wanted: str, names: Collection[str]) -> str:
    """Return the hint at the nearest of these names, where there is one."""
    # Comparing with very many would hold up everybody else.
    return did_you_mean(wanted[:200], set(names)) if len(names) <= _MOST_COMPARED else ""


async def find(catalog: Catalog, kind: str, wanted: str) -> str | None:
    """Return the name of a definition that is given by name or id; None where there is none."""
    if await catalog.has(kind, wanted):
        return wanted
    identity = wanted.removeprefix(f"{kind}.")
    if not _ID.fullmatch(identity):
        return None
    names = await catalog.names(kind)
    return next((name for name in names if derived_id(kind, name) == identity), None)


async def resolve_or_take(catalog: Catalog, kind: str, wanted: str) -> str:
    """Return the name of a definition that is there, or else what is given as a new name."""
    return await find(catalog, kind, wanted) or wanted
