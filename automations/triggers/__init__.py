"""The kinds of triggers, one file each; a new kind is one file and one line in ``Trigger``."""

from __future__ import annotations

from typing import TypeAlias

from .base import Facts, Interest, Reason, Verdict
from .event import EventTrigger, Posture
from .window import Window

Trigger: TypeAlias = EventTrigger
"""Any trigger. With a second kind this becomes a union told apart by ``type``."""

__all__ = [
    "EventTrigger",
    "Facts",
    "Interest",
    "Posture",
    "Reason",
    "Trigger",
    "Verdict",
    "Window",
]
