"""Makes a shadow a real automation, and pauses the one that it replaces, in one step."""

from __future__ import annotations

from typing import Final

from ..exceptions import NoShadow
from .catalog import Catalog, check_version
from .planning import Change, pausing, promotion

_KIND: Final = "automation"


async def promote(
    catalog: Catalog, name: str, *, expected: int | None = None, replaces: str | None = None
) -> None:
    """Let a shadow act from now on; its trigger goes on with what it has counted.

    Args:
        name: the shadow's. replaces: name of the automation that is paused with it.
        expected: the version that the shadow must have now; None for any.

    Raises:
        NotFound: there is no such automation. NoShadow: it acts already.
        VersionMismatch: it is at another version.
    """

    async def decided() -> list[Change]:
        version, doc = await catalog.version(_KIND, name)
        check_version(version, expected)
        change = promotion(name, version, doc)
        if change is None:
            raise NoShadow(f"{name} is no shadow: it acts already")
        paused = None if replaces is None else await _paused(catalog, replaces)
        return [change] if paused is None else [paused, change]

    await catalog.change(decided, f"{name} keeps changing; try again")


async def _paused(catalog: Catalog, name: str) -> Change | None:
    version, doc = await catalog.version(_KIND, name)
    return pausing(_KIND, name, version, doc, True)
