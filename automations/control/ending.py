"""What will never go on: an event says that it is over, or its stage is out of force."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from ..definition import Branch
from ..outcomes import Outcome, Resolution, Suppression
from ..timers import Key
from ..triggers import Facts, Reason, bucket_in
from .base import Kept
from .candidate import Candidate
from .incident import Incident
from .pipeline import Pipeline, Step

if TYPE_CHECKING:
    from upshot.events.event import Recorded

    from .controls import Controls

_OVER: Final = "it was over before it came about"
_WHY: Final = {
    Reason.CHANGED: "this part of the automation was changed or taken away",
    Reason.STOPPED: "the automation was paused, disabled or deleted",
}


def resolve(controls: Controls, pipeline: Pipeline, facts: Facts, outcomes: list[Outcome]) -> None:
    """End an event's bucket, if the event says it is over: its incident, and what is held for it.

    Args:
        outcomes: where to put what comes of it.
    """
    automation, step = pipeline.automation, pipeline.steps[-1]
    bucket = bucket_in(automation.trigger, facts)
    incident, places = step.memories.get(bucket), controls.held.at(pipeline.id, bucket)
    if incident is None and not places:
        return
    if automation.resolve is None or not automation.resolve.ends(facts):
        return
    for place in sorted(places):
        _release(controls, pipeline, place, bucket, facts.recorded, outcomes)
    if isinstance(incident, Incident):
        controls.remember(step, bucket, None)
        told = incident.told("resolved")
        outcomes.append(Resolution.of(pipeline.by, incident.labels, told, facts.recorded))
        if automation.on_resolve:
            over = incident.over(bucket, facts.recorded)
            outcomes.append(pipeline.come_about(over, Branch.ON_RESOLVE, Reason.RESOLVED))


def _release(
    controls: Controls,
    pipeline: Pipeline,
    place: Key,
    bucket: str,
    event: Recorded,
    outcomes: list[Outcome],
) -> None:
    """Let go of what waits for a bucket at a stage, under one of its keys."""
    step, key = pipeline.step(place[0]), place[1]
    assert step.stage is not None
    ruling = step.stage.release(step.memories[key], bucket)
    controls.remember(step, key, ruling.memory)
    for each in ruling.dropped:
        over = replace(each, at=event.received, event=event)
        pipeline.suppress(over, Reason.RESOLVED, _OVER, step, outcomes)


def abandon(pipeline: Pipeline, step: Step, reason: Reason, now: int) -> list[Outcome]:
    """Return the suppressions of all that waits at a stage which is out of force from now on.

    Of an incident that is open nobody will hear the end. The first one speaks for all.
    """
    stage, outcomes = step.stage, list[Outcome]()
    if stage is None:
        return outcomes
    waiting = [
        (key, each.at_moment(now))
        for key, memory in step.memories.items()
        for each in _left(key, memory)
    ]
    told = sum(not each.quiet for _, each in waiting)
    for key, each in waiting:
        speaks, told = (0, told) if each.quiet else (told, 0)
        outcomes.append(
            Suppression.of(each, pipeline.by, reason, _WHY[reason], stage.name, key, speaks)
        )
    return outcomes


def _left(key: str, memory: object) -> tuple[Candidate, ...]:
    """Return what a memory leaves undone."""
    if isinstance(memory, Incident):
        return (memory.unheard(key),)
    return memory.held if isinstance(memory, Kept) else ()
