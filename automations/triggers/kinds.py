"""All kinds of triggers together, told apart by ``type``; each is one file and its lines here."""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeAlias

from pydantic import BaseModel, Discriminator, Tag

from .composite import CompositeTrigger, Not
from .compound import CompoundTrigger
from .deadline import DeadlineTrigger
from .event import EventTrigger
from .freshness import FreshnessTrigger
from .metric import MetricTrigger
from .schedule import ScheduleTrigger
from .sequence import SequenceTrigger

TYPES: Final = (
    "event", "metric", "schedule", "deadline", "freshness", "compound", "sequence"
)  # fmt: skip


def kind_of(value: Any) -> Any:
    """Return the type that a trigger is written with: ``event`` where none is given."""
    if isinstance(value, Not):
        return "not"
    if isinstance(value, BaseModel):
        return getattr(value, "type", None)
    if not isinstance(value, dict):
        return None
    return "not" if "not" in value else value.get("type", "event")


_KIND: Final = Discriminator(
    kind_of,
    custom_error_type="trigger_type",
    custom_error_message=f"a trigger's 'type' is one of {', '.join(TYPES)}",
)

_Kinds: TypeAlias = (
    Annotated[EventTrigger, Tag("event")]
    | Annotated[MetricTrigger, Tag("metric")]
    | Annotated[ScheduleTrigger, Tag("schedule")]
    | Annotated[DeadlineTrigger, Tag("deadline")]
    | Annotated[FreshnessTrigger, Tag("freshness")]
    | Annotated[CompoundTrigger, Tag("compound")]
    | Annotated[SequenceTrigger, Tag("sequence")]
)

AnyTrigger: TypeAlias = Annotated[_Kinds, _KIND]
"""Any trigger, told apart by ``type``."""

Child: TypeAlias = Annotated[_Kinds | Annotated[Not, Tag("not")], _KIND]
"""A trigger within another one: any, or ``not`` any."""

for _model in (Not, CompositeTrigger, CompoundTrigger, SequenceTrigger):
    _model.model_rebuild(_types_namespace={"AnyTrigger": AnyTrigger, "Child": Child})
