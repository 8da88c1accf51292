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


def kind_of(value: Any) -> str | None:
    """Return the tag of the type that a trigger is written with: an event's where none is given.

    Tags differ from all keys that a definition may have, so that errors name the right place.
    """
    if isinstance(value, Not):
        return "type=not"
    if isinstance(value, BaseModel):
        return f"type={getattr(value, 'type', None)}"
    if not isinstance(value, dict):
        return None
    return "type=not" if "not" in value else f"type={value.get('type', 'event')}"


_KIND: Final = Discriminator(
    kind_of,
    custom_error_type="trigger_type",
    custom_error_message=f"a trigger's 'type' is one of {', '.join(TYPES)}",
)

_Kinds: TypeAlias = (
    Annotated[EventTrigger, Tag("type=event")]
    | Annotated[MetricTrigger, Tag("type=metric")]
    | Annotated[ScheduleTrigger, Tag("type=schedule")]
    | Annotated[DeadlineTrigger, Tag("type=deadline")]
    | Annotated[FreshnessTrigger, Tag("type=freshness")]
    | Annotated[CompoundTrigger, Tag("type=compound")]
    | Annotated[SequenceTrigger, Tag("type=sequence")]
)

AnyTrigger: TypeAlias = Annotated[_Kinds, _KIND]
"""Any trigger, told apart by ``type``."""

Child: TypeAlias = Annotated[_Kinds | Annotated[Not, Tag("type=not")], _KIND]
"""A trigger within another one: any, or ``not`` any."""

for _model in (Not, CompositeTrigger, CompoundTrigger, SequenceTrigger):
    _model.model_rebuild(_types_namespace={"AnyTrigger": AnyTrigger, "Child": Child})
