"""The automation as people write it: a trigger, and the actions it brings about."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from upshot.events.ids import derived_id

from .actions import Action
from .conditions.condition import ConditionExpression
from .control import Budget, Control, Resolve
from .testcases import TestCase
from .triggers import Trigger

Name = Annotated[str, Field(max_length=128, pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._/-]*$")]
"""A name: letters, digits, and ``. _ / -`` or spaces between them."""

Tag = Annotated[str, Field(min_length=1, max_length=128)]


class Branch(StrEnum):
    """Which of an automation's lists of actions a firing carries out."""

    ACTIONS = "actions"
    THEN = "then"
    ON_RESOLVE = "on_resolve"


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
        budget: how often it may fire in any span, and what is done when that is used up.
        actions: what it then does, in order.
        resolve: the events that end an incident; with it each bucket's first firing opens one.
        on_resolve: what it does then, in order.
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
    control: Control = Control()
    budget: Budget | None = None
    actions: tuple[Action, ...] = Field(min_length=1, max_length=32)
    resolve: Resolve | None = None
    on_resolve: tuple[Action, ...] = Field(default=(), max_length=32)
    tests: tuple[TestCase, ...] = Field(default=(), max_length=100)

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if self.on_resolve and self.resolve is None:
            raise ValueError("'on_resolve' needs a 'resolve': the events that end an incident")
        return self

    def actions_of(self, branch: Branch) -> tuple[Action, ...]:
        """Return one of its lists of actions."""
        if branch is Branch.ACTIONS:
            return self.actions
        if branch is Branch.ON_RESOLVE:
            return self.on_resolve
        return self.budget.then if self.budget is not None else ()

    @property
    def id(self) -> str:
        """The id that an automation of this name always has."""
        return derived_id("automation", self.name)
