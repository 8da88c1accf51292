"""Automations: what people define, and how it is decided when one fires."""

from __future__ import annotations

from .actions import (
    Action,
    CallWebhook,
    CancelFlowRun,
    ChangeFlowRunState,
    EmitEvent,
    Notify,
    PauseAutomation,
    PauseDeployment,
    PauseFlowRun,
    PauseWorkPool,
    Request,
    ResumeAutomation,
    ResumeDeployment,
    ResumeFlowRun,
    ResumeWorkPool,
    RetryFlowRun,
    RunDeployment,
    SetVariable,
)
from .definition import Automation
from .evaluation.evaluator import Evaluator
from .evaluation.nodes import Defined
from .exceptions import (
    AutomationsError,
    InvalidDefinition,
    InvalidExpression,
    InvalidTemplate,
    RetryableAutomationsError,
    TemplateFailed,
    TerminalAutomationsError,
)
from .files.declarations import Deployment, Receiver, Variable, Webhook
from .files.loading import Definitions, load, loads
from .firing import Firing
from .logtime import OpenTime
from .outcomes import Asked, Outcome, Resolution, Suppression
from .triggers import (
    CompoundTrigger,
    DeadlineTrigger,
    EventTrigger,
    FreshnessTrigger,
    MetricTrigger,
    Posture,
    Reason,
    ScheduleTrigger,
    SequenceTrigger,
    Trigger,
    Window,
)

__all__ = [
    "Action",
    "Asked",
    "Automation",
    "AutomationsError",
    "CallWebhook",
    "CancelFlowRun",
    "ChangeFlowRunState",
    "CompoundTrigger",
    "DeadlineTrigger",
    "Defined",
    "Definitions",
    "Deployment",
    "EmitEvent",
    "Evaluator",
    "EventTrigger",
    "Firing",
    "FreshnessTrigger",
    "InvalidDefinition",
    "InvalidExpression",
    "InvalidTemplate",
    "MetricTrigger",
    "Notify",
    "OpenTime",
    "Outcome",
    "PauseAutomation",
    "PauseDeployment",
    "PauseFlowRun",
    "PauseWorkPool",
    "Posture",
    "Reason",
    "Receiver",
    "Request",
    "Resolution",
    "ResumeAutomation",
    "ResumeDeployment",
    "ResumeFlowRun",
    "ResumeWorkPool",
    "RetryFlowRun",
    "RetryableAutomationsError",
    "RunDeployment",
    "ScheduleTrigger",
    "SequenceTrigger",
    "SetVariable",
    "Suppression",
    "TemplateFailed",
    "TerminalAutomationsError",
    "Trigger",
    "Variable",
    "Webhook",
    "Window",
    "load",
    "loads",
]
