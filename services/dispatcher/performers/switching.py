"""Performs pause-… and resume-…: of deployments, work pools and automations."""

from __future__ import annotations

from typing import Any, Final

from upshot.automations.actions import (
    PauseAutomation,
    PauseDeployment,
    PauseWorkPool,
    ResumeAutomation,
    ResumeDeployment,
    ResumeWorkPool,
)
from upshot.automations.actions.concerning import Switching
from upshot.events.exceptions import NotFound
from upshot.events.store import Store

from ...definitions.catalog import Catalog
from ...definitions.names import resolve
from ...definitions.switching import WORK_POOL, switch
from ...exceptions import ActionFailed
from ...work_pools import WorkPools
from ..known import KnownDefinitions
from ..performing import Job, Receiver

_KINDS: Final[tuple[type[Switching], ...]] = (
    PauseAutomation,
    PauseDeployment,
    PauseWorkPool,
    ResumeAutomation,
    ResumeDeployment,
    ResumeWorkPool,
)


class Switch:
    """Pauses one kind of thing, or lets it go on.

    Args:
        action: which kind of action. catalog: where definitions change.
        definitions: what is known of them here.
    """

    def __init__(
        self, action: type[Switching], store: Store, catalog: Catalog, definitions: KnownDefinitions
    ) -> None:
        self.type = action.type
        self._kind, self._paused = action.kind, action.paused
        self._catalog = catalog
        self._pools = WorkPools(store, catalog)
        self._definitions = definitions

    def receiver(self, arguments: dict[str, Any]) -> Receiver | None:
        return None

    async def perform(self, arguments: dict[str, Any], job: Job) -> str:
        try:
            name = await self._find(arguments["name"])
            changed = await self._once(name, job)
        except NotFound as error:
            raise ActionFailed(str(error)) from error
        self._definitions.forget(self._kind, name)
        verb = "paused" if self._paused else "resumed"
        return f"{verb} {name}" if changed else f"{name} was {verb} already"

    async def _find(self, wanted: str) -> str:
        if self._kind == WORK_POOL:
            return await self._pools.find(wanted)
        return await resolve(self._catalog, self._kind, wanted)

    async def _once(self, name: str, job: Job) -> bool:
        if await self._catalog.was_done(job.once):
            return True
        return await switch(self._catalog, self._kind, name, self._paused, once=job.once)


def switches(store: Store, catalog: Catalog, definitions: KnownDefinitions) -> list[Switch]:
    """Return a performer for each of these actions."""
    return [Switch(action, store, catalog, definitions) for action in _KINDS]
