"""Automations: what people define, and how it is decided when one fires."""

from __future__ import annotations

from .actions import Action, CallWebhook, EmitEvent, Notify, Request, RetryFlowRun, RunDeployment
from .declarations import Deployment, Receiver, Variable, Webhook
from .definition import Automation
from .evaluation import Evaluator, Outcome
from .exceptions import (
    AutomationsError,
    InvalidDefinition,
    InvalidExpression,
    InvalidTemplate,
    RetryableAutomationsError,
    TemplateFailed,
    TerminalAutomationsError,
)
from .firing import Firing, Suppression
from .loading import Definitions, load, loads
from .logtime import OpenTime
from .nodes import Defined
from .triggers import EventTrigger, Posture, Reason, Trigger, Window

__all__ = [
    "Action",
    "Automation",
    "AutomationsError",
    "CallWebhook",
    "Defined",
    "Definitions",
    "Deployment",
    "EmitEvent",
    "Evaluator",
    "EventTrigger",
    "Firing",
    "InvalidDefinition",
    "InvalidExpression",
    "InvalidTemplate",
    "Notify",
    "OpenTime",
    "Outcome",
    "Posture",
    "Reason",
    "Receiver",
    "Request",
    "RetryFlowRun",
    "RetryableAutomationsError",
    "RunDeployment",
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
