"""The kinds of triggers, one file each; a new kind is one file and its lines in ``kinds``."""

from __future__ import annotations

from .base import Due, Facts, Fired, Interest, Reason, Verdict
from .composite import CompositeTrigger
from .compound import CompoundTrigger
from .deadline import DeadlineTrigger
from .event import EventTrigger, Posture
from .freshness import FreshnessTrigger
from .kinds import AnyTrigger as Trigger
from .metric import MetricTrigger
from .schedule import ScheduleTrigger
from .sequence import SequenceTrigger
from .tree import Place, bucket_in, kept_on_edit, node_key, walk
from .window import Memory, Window

__all__ = [
    "CompositeTrigger",
    "CompoundTrigger",
    "DeadlineTrigger",
    "Due",
    "EventTrigger",
    "Facts",
    "Fired",
    "FreshnessTrigger",
    "Interest",
    "Memory",
    "MetricTrigger",
    "Place",
    "Posture",
    "Reason",
    "ScheduleTrigger",
    "SequenceTrigger",
    "Trigger",
    "Verdict",
    "Window",
    "bucket_in",
    "kept_on_edit",
    "node_key",
    "walk",
]
