"""The ``control`` of an automation as people write it."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

AutomationName = Annotated[str, Field(min_length=1, max_length=128)]


class Control(BaseModel):
    """How often, and how many at a time, an automation may fire.

    Attributes:
        max_depth: how often the way that led to an event may have passed this automation already,
            plus one: 1 means that it never reacts to what it brought about itself.
        allow_cycles: names of automations with which a cycle is intended.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_depth: int = Field(default=1, ge=1, le=32)
    allow_cycles: tuple[AutomationName, ...] = Field(default=(), max_length=100)
