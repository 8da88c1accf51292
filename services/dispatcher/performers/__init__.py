"""The performers, one kind of action a file; a new kind is one file and one line below."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from upshot.events.log import Log
from upshot.events.settings import Settings
from upshot.events.store import Store
from upshot.flows.registry import Runs

from ..context import Definitions
from ..performing import Performer
from .call_webhook import CallWebhook
from .emit_event import EmitEvent
from .notify import Notifier
from .retry_flow_run import RetryFlowRun
from .run_deployment import RunDeployment


@asynccontextmanager
async def performers(
    settings: Settings, store: Store, runs: Runs, definitions: Definitions
) -> AsyncIterator[list[Performer]]:
    """Give a performer for each kind of action, and close what they hold open at the end."""
    webhooks = CallWebhook(
        allow_private=settings.allow_private_webhooks, places=settings.action_concurrency
    )
    notifier = Notifier(definitions)
    log = Log(store, dedup_ms=int(settings.dedup * 1000))
    inner: list[Performer] = [RunDeployment(runs, definitions), RetryFlowRun(runs), EmitEvent(log)]
    try:
        yield [*inner, webhooks, notifier]
    finally:
        notifier.close()
        await webhooks.close()


__all__ = ["CallWebhook", "EmitEvent", "Notifier", "RetryFlowRun", "RunDeployment", "performers"]
