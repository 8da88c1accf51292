"""The webhooks that exist, as the catalog has them: read again each second at most."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from upshot.events.exceptions import NotFound

from ..definitions.catalog import Catalog
from ..definitions.planning import Doc

_FRESH: Final = 1.0


class Webhooks:
    """Definitions by slug, read all at once: unknown slugs cost the store nothing."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._docs: dict[str, Doc] = {}
        self._until = 0.0
        self._lock = asyncio.Lock()

    async def get(self, slug: str) -> Doc:
        """Return the definition of a webhook.

        Raises:
            NotFound: none is called so.
        """
        if time.monotonic() >= self._until:
            await self._refresh()
        if slug not in self._docs:
            raise NotFound(f"no webhook is called {slug[:100]!r}")
        return self._docs[slug]

    def forget(self) -> None:
        """Read the definitions again before the next answer."""
        self._until = 0.0

    async def _refresh(self) -> None:
        async with self._lock:
            if time.monotonic() < self._until:
                return
            self._docs = await self._catalog.all("webhook")
            self._until = time.monotonic() + _FRESH
