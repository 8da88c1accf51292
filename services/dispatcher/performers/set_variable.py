"""Performs set-variable: the firing keeps that it was done, in the same step."""

from __future__ import annotations

from typing import Any

from ...definitions.catalog import Catalog
from ...definitions.planning import Verb
from ..known import KnownDefinitions
from ..performing import Job, Receiver


class SetVariable:
    """Gives variables values.

    Args:
        catalog: where they are. definitions: what is known of them here.
    """

    type = "set-variable"

    def __init__(self, catalog: Catalog, definitions: KnownDefinitions) -> None:
        self._catalog = catalog
        self._definitions = definitions

    def receiver(self, arguments: dict[str, Any]) -> Receiver | None:
        return None

    async def perform(self, arguments: dict[str, Any], job: Job) -> str:
        name = arguments["name"]
        done = await self._catalog.was_done(job.once) or await self._put(name, arguments, job)
        self._definitions.forget("variable", name)
        return f"set {name}" if done else f"{name} had this value already"

    async def _put(self, name: str, arguments: dict[str, Any], job: Job) -> bool:
        doc = {"name": name, "value": arguments["value"]}
        change = await self._catalog.put("variable", name, doc, once=job.once)
        return change.verb is not Verb.UNCHANGED
