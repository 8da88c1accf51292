"""Says what each stage of control asked of a candidate, and what it found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from ..conditions.condition import Judged
from ..expressions.mentions import mentioned
from ..triggers.base import Facts, Reason
from ..triggers.explaining import Check, Checks
from ..triggers.window import Memory
from .base import Kept, Move, Ruling
from .candidate import Candidate
from .incident import Incidents
from .pipeline import Pipeline, Step
from .stages import CONDITIONS

LOOP_GUARD: Final = "loop_guard"


@dataclass(slots=True, frozen=True)
class StagePart:
    """One stage and what became of a candidate there.

    Attributes:
        stage: its name.
        verdict: what it did: ``pass``, ``hold`` or ``drop``; None where nothing came so far.
        reason: why, by name. detail: more, for people.
        checks: what it asks, and what it found.
        state: what it remembers of the key afterwards; None where that is nothing.
    """

    stage: str
    verdict: Move | None
    reason: Reason | None = None
    detail: str = ""
    checks: Checks = field(default_factory=list)
    state: dict[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the stage as data."""
        return {
            "stage": self.stage,
            "verdict": self.verdict and self.verdict.value,
            "reason": self.reason and self.reason.value,
            "detail": self.detail,
            "checks": [check.to_dict() for check in self.checks],
            "state": self.state,
        }


def decided(
    step: Step, memory: Memory | None, candidate: Candidate, ruling: Ruling | Judged
) -> StagePart:
    """Return what a stage decided.

    Args:
        step: the stage. memory: what it remembered before. candidate: what came to it.
    """
    if isinstance(ruling, Judged):
        return _judged(ruling, candidate)
    assert step.stage is not None
    return StagePart(
        step.stage.name,
        ruling.move,
        ruling.reason,
        ruling.detail,
        step.stage.explain(memory, ruling, candidate.at),
        _state(ruling.memory),
    )


def idle(pipeline: Pipeline, step: Step, bucket: str, labels: dict[str, str], facts: Facts) -> (
    StagePart
):  # fmt: skip
    """Return how a stage stands that nothing came to: for an event that might have.

    Args:
        bucket: which one of the trigger the event falls into. labels: its values.
    """
    if step.stage is None:
        asked = [Check("condition", each.source, None) for each in pipeline.automation.conditions]
        return StagePart(CONDITIONS, None, checks=asked)
    incidents = isinstance(step.stage, Incidents)
    key = bucket if incidents else step.stage.key_of(labels, facts)
    memory = step.memories.get(key)
    none = Ruling(memory, Move.HOLD, Reason.PASSED)
    checks = step.stage.explain(memory, none, facts.received)
    return StagePart(step.stage.name, None, checks=checks, state=_state(memory))


def guarded(facts: Facts, identity: str, max_depth: int, why: str | None) -> StagePart:
    """Return what the loop guard found on the way to an event.

    Args:
        identity: the automation's id. why: the reason why it must not fire, if there is one.
    """
    passed = (facts.body.get("causation") or {}).get("automations", {}).get(identity, 0)
    check = Check("max_depth", max_depth, passed, why is None)
    move = Move.PASS if why is None else Move.DROP
    reason = Reason.PASSED if why is None else Reason.LOOP
    return StagePart(LOOP_GUARD, move, reason, why or "", [check])


def _judged(judged: Judged, candidate: Candidate) -> StagePart:
    checks = [_condition(value, candidate) for value in judged.values]
    if judged.holds:
        return StagePart(CONDITIONS, Move.PASS, Reason.PASSED, checks=checks)
    reason = Reason.CONDITION_ERROR if judged.holds is None else Reason.CONDITION_FALSE
    false = (value["expression"] for value in judged.values if value["holds"] is False)
    return StagePart(CONDITIONS, Move.DROP, reason, judged.error or next(false, ""), checks)


def _condition(value: dict[str, Any], candidate: Candidate) -> Check:
    """Return how a condition came out, and what it saw."""
    expression, holds = value["expression"], value["holds"]
    seen = {"event": candidate.event.body} if candidate.event is not None else {}
    found = None if holds is None else mentioned(expression, seen)
    return Check("condition", expression, value["lookups"] or holds, holds, found)


def _state(memory: Memory | None) -> dict[str, Any] | None:
    """Return a memory as people ask for it: since when, until when, how many, how many wait."""
    if not isinstance(memory, Kept):
        return None
    shown = {"since": memory.opened or None, "until": memory.deadline or None}
    counted = getattr(memory, "count", None)
    waiting = {"waiting": len(memory.held)} if memory.held else {}
    return {**shown, **({} if counted is None else {"count": counted}), **waiting}
