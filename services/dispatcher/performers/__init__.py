"""The performers: who does which kind of action; a new kind is one line below."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from upshot.events.log import Log
from upshot.events.settings import Settings
from upshot.events.store import Store
from upshot.flows.runs.registry import Runs

from ...definitions.catalog import Catalog
from ..known import KnownDefinitions
from ..performing import Performer
from .call_webhook import CallWebhook
from .emit_event import EmitEvent
from .flow_runs import (
    CancelFlowRun,
    ChangeFlowRunState,
    PauseFlowRun,
    ResumeFlowRun,
    RetryFlowRun,
)
from .notify import Notifier
from .run_deployment import RunDeployment
from .set_variable import SetVariable
from .switching import switches


@asynccontextmanager
async def performers(
    settings: Settings, store: Store, runs: Runs, definitions: KnownDefinitions
) -> AsyncIterator[list[Performer]]:
    """Give a performer for each kind of action, and close what they hold open at the end."""
    private = settings.allow_private_webhooks
    webhooks = CallWebhook(allow_private=private, places=settings.action_concurrency)
    notifier = Notifier(definitions, allow_private=private)
    try:
        yield [*_inner(settings, store, runs, definitions), webhooks, notifier]
    finally:
        notifier.close()
        await webhooks.close()


def _inner(
    settings: Settings, store: Store, runs: Runs, definitions: KnownDefinitions
) -> list[Performer]:
    """Return the performers that ask nobody outside."""
    catalog = Catalog(store)
    return [
        RunDeployment(store, runs, definitions),
        RetryFlowRun(runs),
        CancelFlowRun(runs, store),
        ChangeFlowRunState(runs, store),
        PauseFlowRun(runs),
        ResumeFlowRun(runs),
        *switches(store, catalog, definitions),
        SetVariable(catalog, definitions),
        EmitEvent(Log(store, dedup_ms=int(settings.dedup * 1000))),
    ]


__all__ = ["performers"]
