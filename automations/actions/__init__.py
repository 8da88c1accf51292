"""The kinds of actions, one file each; a new kind is one file and one line in ``Action``."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import Discriminator, Tag

from .base import BaseAction, Request, Variables
from .call_webhook import CallWebhook
from .emit_event import EmitEvent
from .notify import Notify
from .retry_flow_run import RetryFlowRun
from .run_deployment import RunDeployment

ACTIONS: Final = frozenset(
    each.type for each in (CallWebhook, EmitEvent, Notify, RetryFlowRun, RunDeployment)
)
"""The kinds of actions by name."""


def _kind(value: Any) -> str | None:
    """Return the kind of an action: the only key of its mapping."""
    if isinstance(value, BaseAction):
        return value.type
    if isinstance(value, dict) and len(value) == 1:
        return str(next(iter(value)))
    return None


Action = Annotated[
    Annotated[CallWebhook, Tag(CallWebhook.type)]
    | Annotated[EmitEvent, Tag(EmitEvent.type)]
    | Annotated[Notify, Tag(Notify.type)]
    | Annotated[RetryFlowRun, Tag(RetryFlowRun.type)]
    | Annotated[RunDeployment, Tag(RunDeployment.type)],
    Discriminator(
        _kind,
        custom_error_type="action",
        custom_error_message="write one action as one key, such as 'notify:', with its options",
    ),
]
"""Any action, written as a mapping with one key: ``{"notify": {"to": "oncall"}}``."""

__all__ = [
    "ACTIONS",
    "Action",
    "BaseAction",
    "CallWebhook",
    "EmitEvent",
    "Notify",
    "Request",
    "RetryFlowRun",
    "RunDeployment",
    "Variables",
]
