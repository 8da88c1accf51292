"""The automation as people write it: a trigger, and the actions it brings about."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from upshot.events.ids import derived_id

from .actions import Action
from .conditions import ConditionExpression
from .control import Control
from .testcases import TestCase
from .triggers import Trigger

Name = Annotated[str, Field(max_length=128, pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._/-]*$")]
"""A name: letters, digits, and ``. _ / -`` or spaces between them."""

Tag = Annotated[str, Field(min_length=1, max_length=128)]


class Automation(BaseModel):
    """When this happens, do that.

    Attributes:
        name: unique; the automation's identity.
        description: for people.
        enabled: whether it is evaluated.
        shadow: decide and record, act on nothing.
        tags: for people and filters.
        trigger: what it waits for.
        conditions: CEL expressions that must all hold when it is about to fire.
        control: what else must be met before it fires, and how often it may.
        actions: what it then does, in order.
        tests: what shows that it does what it should; ``upshot automation test`` runs them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    description: Annotated[str, Field(max_length=4096)] = ""
    enabled: bool = True
    shadow: bool = False
    tags: tuple[Tag, ...] = Field(default=(), max_length=32)
    trigger: Trigger
    conditions: tuple[ConditionExpression, ...] = Field(default=(), max_length=16)
    control: Control = Field(default_factory=Control)
    actions: tuple[Action, ...] = Field(min_length=1, max_length=32)
    tests: tuple[TestCase, ...] = Field(default=(), max_length=100)

    @property
    def id(self) -> str:
        """The id that an automation of this name always has."""
        return derived_id("automation", self.name)
