"""The kinds of actions, one file each; a new kind is one file and one line in ``Action``."""

from __future__ import annotations

from typing import Annotated, Any, Final, get_args

from pydantic import Discriminator, Tag

from .base import BaseAction, Request, Variables
from .call_webhook import CallWebhook
from .cancel_flow_run import CancelFlowRun
from .change_flow_run_state import ChangeFlowRunState
from .emit_event import EmitEvent
from .notify import Notify
from .pause_automation import PauseAutomation
from .pause_deployment import PauseDeployment
from .pause_flow_run import PauseFlowRun
from .pause_work_pool import PauseWorkPool
from .resume_automation import ResumeAutomation
from .resume_deployment import ResumeDeployment
from .resume_flow_run import ResumeFlowRun
from .resume_work_pool import ResumeWorkPool
from .retry_flow_run import RetryFlowRun
from .run_deployment import RunDeployment
from .set_variable import SetVariable


def _kind(value: Any) -> str | None:
    """Return the kind of an action: the only key of its mapping."""
    if isinstance(value, BaseAction):
        return value.type
    if isinstance(value, dict) and len(value) == 1:
        return str(next(iter(value)))
    return None


_Any = (
    Annotated[CallWebhook, Tag(CallWebhook.type)]
    | Annotated[CancelFlowRun, Tag(CancelFlowRun.type)]
    | Annotated[ChangeFlowRunState, Tag(ChangeFlowRunState.type)]
    | Annotated[EmitEvent, Tag(EmitEvent.type)]
    | Annotated[Notify, Tag(Notify.type)]
    | Annotated[PauseAutomation, Tag(PauseAutomation.type)]
    | Annotated[PauseDeployment, Tag(PauseDeployment.type)]
    | Annotated[PauseFlowRun, Tag(PauseFlowRun.type)]
    | Annotated[PauseWorkPool, Tag(PauseWorkPool.type)]
    | Annotated[ResumeAutomation, Tag(ResumeAutomation.type)]
    | Annotated[ResumeDeployment, Tag(ResumeDeployment.type)]
    | Annotated[ResumeFlowRun, Tag(ResumeFlowRun.type)]
    | Annotated[ResumeWorkPool, Tag(ResumeWorkPool.type)]
    | Annotated[RetryFlowRun, Tag(RetryFlowRun.type)]
    | Annotated[RunDeployment, Tag(RunDeployment.type)]
    | Annotated[SetVariable, Tag(SetVariable.type)]
)
Action = Annotated[
    _Any,
    Discriminator(
        _kind,
        custom_error_type="action",
        custom_error_message="write one action as one key, such as 'notify:', with its options",
    ),
]
"""Any action, written as a mapping with one key: ``{"notify": {"to": "oncall"}}``."""

ACTIONS: Final = frozenset(get_args(kind)[0].type for kind in get_args(_Any))
"""The kinds of actions by name."""

__all__ = [
    "ACTIONS",
    "Action",
    "BaseAction",
    "CallWebhook",
    "CancelFlowRun",
    "ChangeFlowRunState",
    "EmitEvent",
    "Notify",
    "PauseAutomation",
    "PauseDeployment",
    "PauseFlowRun",
    "PauseWorkPool",
    "Request",
    "ResumeAutomation",
    "ResumeDeployment",
    "ResumeFlowRun",
    "ResumeWorkPool",
    "RetryFlowRun",
    "RunDeployment",
    "SetVariable",
    "Variables",
]
