"""The ``control`` of an automation as people write it."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ..triggers.selection import Keys
from .batch import Batch
from .debounce import Debounce
from .mode import DEFAULT_MAX, Mode, Turns
from .throttle import Throttle

AutomationName = Annotated[str, Field(min_length=1, max_length=128)]


class Control(BaseModel):
    """How often, and how many at a time, an automation may fire.

    Attributes:
        debounce: fires once nothing more has come for a while.
        batch: fires once for many.
        throttle: fires at most so often.
        mode: what becomes of a firing while an earlier one is in progress: ``single`` drops it,
            ``restart`` stops the earlier one, ``queued`` lets it wait, ``parallel`` lets both go
            on. Without a mode nothing keeps them apart.
        max: how many may wait (``queued``) or be in progress (``parallel``); 10 by default.
        key: what ``mode`` keeps apart: labels of the resource, ``related:<role>:<label>`` or
            ``payload.<path>``.
        max_depth: how often the way that led to an event may have passed this automation already,
            plus one: 1 means that it never reacts to what it brought about itself.
        allow_cycles: names of automations with which a cycle is intended.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    debounce: Debounce | None = None
    batch: Batch | None = None
    throttle: Throttle | None = None
    mode: Mode | None = None
    max: int | None = Field(default=None, ge=1, le=1000)
    key: Keys = ()
    max_depth: int = Field(default=1, ge=1, le=32)
    allow_cycles: tuple[AutomationName, ...] = Field(default=(), max_length=100)

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if self.max is not None and self.mode not in (Mode.QUEUED, Mode.PARALLEL):
            raise ValueError("'max' needs a 'mode' of queued or parallel: how many wait or go on")
        if self.key and self.mode is None:
            raise ValueError("'key' needs a 'mode': it says what that keeps apart")
        return self

    @property
    def turns(self) -> Turns | None:
        """The stage that ``mode`` asks for."""
        if self.mode is None:
            return None
        return Turns(mode=self.mode, max=self.max or DEFAULT_MAX, key=self.key)
