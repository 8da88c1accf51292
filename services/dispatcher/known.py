"""Definitions as this dispatcher knows them: the same thing is asked for once a second at most."""

from __future__ import annotations

import time
from collections.abc import Hashable
from typing import Final, Generic, TypeVar

from upshot.events.exceptions import NotFound
from upshot.events.ids import derived_id

from ..definitions.catalog import Catalog
from ..definitions.names import nearest
from ..definitions.planning import Doc

FRESH: Final = 1.0
"""Seconds for which a definition is not asked for again."""
_KEPT: Final = 4096

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class KnownDefinitions:
    """The catalog, as it was a moment ago at most."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._one: _Lately[tuple[str, str], Doc] = _Lately()
        self._all: _Lately[str, dict[str, Doc]] = _Lately()

    async def get(self, kind: str, name: str) -> Doc:
        """Return one definition, or raise NotFound; what is missing is asked for each time."""
        doc = self._one.get((kind, name))
        if doc is None:
            doc = self._one.keep((kind, name), await self._catalog.get(kind, name))
        return doc

    async def all(self, kind: str) -> dict[str, Doc]:
        """Return every definition of a kind by name."""
        docs = self._all.get(kind)
        if docs is None:
            docs = self._all.keep(kind, await self._catalog.all(kind))
        return docs

    async def find(self, kind: str, wanted: str) -> Doc:
        """Return one definition by its name or id.

        Raises:
            NotFound: there is none; the message names the nearest one.
        """
        try:
            return await self.get(kind, wanted)
        except NotFound:
            known = await self.all(kind)
        identity = wanted.removeprefix(f"{kind}.")
        for name, doc in known.items():
            if derived_id(kind, name) == identity:
                return doc
        raise NotFound(f"no {kind} is called {wanted[:200]!r}{nearest(wanted, known)}")

    def forget(self, kind: str, name: str) -> None:
        """Ask for one definition anew: it was changed here."""
        self._one.forget((kind, name))
        self._all.forget(kind)


class _Lately(Generic[K, V]):
    """What was found within the last second."""

    def __init__(self) -> None:
        self._found: dict[K, tuple[float, V]] = {}

    def get(self, key: K) -> V | None:
        until, found = self._found.get(key, (0.0, None))
        return found if time.monotonic() < until else None

    def keep(self, key: K, found: V) -> V:
        if len(self._found) >= _KEPT:
            self._found.clear()
        self._found[key] = (time.monotonic() + FRESH, found)
        return found

    def forget(self, key: K) -> None:
        self._found.pop(key, None)
