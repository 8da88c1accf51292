"""Tests as they stand beside a rule: events with their times, and the firings to expect."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
)

from upshot.events.durations import Offset
from upshot.events.event import EventId, EventName, Resource

from .conditions.given import Given

START: Final = datetime(2026, 1, 1, tzinfo=UTC)


class _Written(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class GivenEvent(_Written):
    """An event of a test.

    Attributes:
        at: when it comes, from the test's start; by default together with the one before.
        event: its name.
        resource: what it happened to.
        related: other resources that it concerns.
        payload: its data.
        id: where it matters.
    """

    at: Offset | None = None
    event: EventName
    resource: Resource
    related: tuple[Resource, ...] = ()
    payload: dict[str, Any] = Field(default_factory=dict)
    id: EventId | None = None


def _one_kind(action: str | dict[str, Any]) -> str | dict[str, Any]:
    if isinstance(action, dict) and len(action) != 1:
        raise ValueError("write an action as its kind, or as one key with the arguments to expect")
    return action


class ExpectedFiring(_Written):
    """A firing that a test expects; what is left out may be anything.

    Attributes:
        at: when it fires, from the test's start.
        reason: why, such as ``threshold_reached``.
        bucket: the values it fires for, by ``for_each`` entry.
        branch: which actions it does: ``actions``, ``then`` of a budget, or ``on_resolve``.
        actions: what it does, in order: the kind, or the kind with some of its arguments.
    """

    at: Offset | None = None
    reason: str | None = None
    bucket: dict[str, str] | None = None
    branch: Literal["actions", "then", "on_resolve"] | None = None
    actions: (
        tuple[Annotated[str | dict[str, dict[str, Any]], AfterValidator(_one_kind)], ...] | None
    ) = None


class ExpectedSuppression(_Written):
    """A firing that a test expects to be held back; what is left out may be anything.

    Attributes:
        at: when, from the test's start.
        reason: why, such as ``throttled``.
        bucket: the values it was about, by ``for_each`` entry.
    """

    at: Offset | None = None
    reason: str | None = None
    bucket: dict[str, str] | None = None


class TestCase(_Written):
    """A test of an automation, on a clock of its own.

    Attributes:
        name: what it shows.
        start: when it begins, for schedules and clock times.
        given: what conditions find when they look it up.
        events: what comes, in order.
        until: when it ends, from its start; by default with the last event.
        takes: how long what each firing sets off is in progress, as ``mode`` sees it.
        expect: every firing, in order; none if empty.
        suppressed: every firing that is held back, in order; left out, any may be.
    """

    __test__ = False  # to pytest this is no class of tests

    name: Annotated[str, Field(min_length=1, max_length=200)]
    start: AwareDatetime = START
    given: Given = Given()
    events: tuple[GivenEvent, ...] = Field(default=(), max_length=1000)
    until: Offset = timedelta(0)
    takes: Offset = timedelta(0)
    expect: tuple[ExpectedFiring, ...] = Field(default=(), max_length=1000)
    suppressed: tuple[ExpectedSuppression, ...] | None = Field(default=None, max_length=1000)
