"""Which stages an automation asks for, in order, and which of them go on when it is edited."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple, TypeAlias

from ..definition import Automation
from .base import Stage
from .incident import Incidents

CONDITIONS: Final = "conditions"

Named: TypeAlias = list[tuple[str, Stage | None]]
"""Stages by name, in order; the conditions, which remember nothing, are None."""

_PLACES: Final = {"budget": "budget", "incident": "resolve"}
"""Where stages stand in a definition that do not stand under ``control``."""


class Fate(NamedTuple):
    """How many stages there were, how many go on with what they remember, how many there are."""

    before: int
    kept: int
    now: int


def stages_of(automation: Automation) -> Named:
    """Return the stages that an automation asks for."""
    control, resolve = automation.control, automation.resolve
    incidents = None
    if resolve is not None:
        incidents = Incidents(automation=automation.id, resolve=resolve)
    earlier = [control.debounce, control.batch]
    later = [control.throttle, control.turns, automation.budget, incidents]
    conditions: Named = [(CONDITIONS, None)] if automation.conditions else []
    return [*_named(earlier), *conditions, *_named(later)]


def _named(stages: Sequence[Stage | None]) -> Named:
    return [(each.name, each) for each in stages if each is not None]


def goes_on(before: Stage | None, after: Stage | None, same_trigger: bool) -> bool:
    """Tell whether a stage keeps what it remembers; incidents are the trigger's."""
    if before is None or before != after:
        return False
    return same_trigger or not isinstance(after, Incidents)


def kept_on_edit(before: Automation, after: Automation) -> dict[str, bool]:
    """Tell for each stage of ``after``, by its place, whether it keeps what it remembered."""
    earlier = dict(stages_of(before))
    same_trigger = before.trigger == after.trigger
    return {
        _PLACES.get(name, f"control.{name}"): goes_on(earlier.get(name), stage, same_trigger)
        for name, stage in stages_of(after)
        if stage is not None
    }
