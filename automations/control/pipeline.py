"""A candidate's way through the stages of its automation, until it is a firing or is held back.

enter → stage by stage: pass, hold or drop → the firing, which may be in progress for a while
at_deadline, ended → what waited goes on from where it waited
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..conditions.condition import Answers
from ..definition import Automation, Branch
from ..firing import Firing, Occasion, come_about
from ..outcomes import Asked, By, Outcome, Suppression
from ..triggers import Facts, Memory, Reason, Verdict
from .base import Move, Stage
from .budget import Budget
from .candidate import Candidate
from .judging import judged
from .mode import Turns
from .stages import CONDITIONS
from .turns import TurnTaking

if TYPE_CHECKING:
    from upshot.events.event import Recorded

    from .awaiting import Awaited
    from .controls import Controls


@dataclass(slots=True)
class Step:
    """A stage in its place.

    Attributes:
        automation: the one whose it is.
        key: what its memories are kept under.
        stage: the stage; None for the conditions, which remember nothing.
        memories: by key of the stage, to be read.
    """

    automation: Automation
    key: str
    stage: Stage | None
    memories: dict[str, Memory]


class Pipeline:
    """The stages of an automation in force.

    Args:
        automation: the definition. version: which one of it.
        steps: its stages, in order. controls: what it shares with those of other automations.
    """

    def __init__(
        self, automation: Automation, version: int, steps: list[Step], controls: Controls
    ) -> None:
        self.automation = automation
        self.id = automation.id
        self.by: By = (self.id, automation, version)
        self.steps = steps
        self._controls = controls
        self._places = {step.key: place for place, step in enumerate(steps)}
        self._turns: TurnTaking | None = None
        self._after_turns = 0
        for place, step in enumerate(steps, 1):
            if isinstance(step.stage, Turns):
                self._turns = TurnTaking(step, step.stage, controls)
                self._after_turns = place
        self._asking = 0

    def step(self, node: str) -> Step:
        """Return the stage whose memories are kept under a key."""
        return self.steps[self._places[node]]

    def enter(
        self,
        verdict: Verdict,
        occasion: Occasion,
        labels: dict[str, str],
        facts: Facts | None,
        outcomes: list[Outcome],
    ) -> None:
        """Take a firing of the trigger as far as it gets.

        Args:
            verdict: what the trigger decided. occasion: what on.
            labels: the bucket's values, by ``for_each`` entry. facts: the event, where one fired.
            outcomes: where to put what comes of it.
        """
        stages = [step.stage for step in self.steps if step.stage is not None]
        keys = {each.entries: each.key_of(labels, facts) for each in stages if each.keys()}
        self._go(Candidate.of(verdict, occasion, labels, keys), 0, outcomes)

    def at_deadline(self, step: Step, key: str, when: int, outcomes: list[Outcome]) -> None:
        """Let what waited until ``when`` (ms) at a stage go on."""
        assert step.stage is not None
        place = self._places[step.key]
        ruling = step.stage.at_deadline(step.memories[key], when)
        self._controls.remember(step, key, ruling.memory)
        for candidate in ruling.passed:
            self._go(candidate, place + 1, outcomes)
        if isinstance(step.stage, Turns):
            self._next(key, when, outcomes)

    def proceed(self, asked: Asked, answers: Answers, outcomes: list[Outcome]) -> None:
        """Go on with a candidate whose questions are answered."""
        self._asking -= 1
        self._controls.asking -= 1
        place = next(n for n, step in enumerate(self.steps) if step.stage is None)
        known = {**asked.answers, **answers}
        passed = self._judge(self.steps[place], asked.candidate, known, outcomes)
        if passed is not None:
            self._go(passed, place + 1, outcomes)

    def ended(self, awaited: Awaited, event: Recorded, outcomes: list[Outcome]) -> None:
        """Learn what an event says of a firing that is in progress."""
        if self._turns is not None and self._turns.ended(awaited, event):
            self._next(awaited.key, event.received, outcomes)

    def give_up(self, awaited: Awaited, firing: Firing) -> None:
        """Let a firing that is in progress end at the next deadline."""
        if self._turns is not None:
            self._turns.give_up(awaited, firing)

    def come_about(
        self,
        candidate: Candidate,
        branch: Branch = Branch.ACTIONS,
        reason: Reason | None = None,
    ) -> Firing:
        """Return the firing that a candidate becomes; ``reason`` if not for the trigger's."""
        self._controls.stats.firings += 1
        return come_about(*self.by, candidate, branch, reason)

    def suppress(
        self,
        candidate: Candidate,
        reason: Reason,
        message: str,
        step: Step,
        outcomes: list[Outcome],
    ) -> None:
        """Put the end of a candidate at a stage among the outcomes."""
        self._controls.stats.suppressions += 1
        stage, key = CONDITIONS, ""
        if step.stage is not None:
            stage, key = step.stage.name, step.stage.falls_under(candidate)
        kind = (self.id, reason.value, key)
        told = 0 if candidate.quiet else self._controls.telling.tells(kind, candidate.at)
        outcomes.append(Suppression.of(candidate, self.by, reason, message, stage, key, told))

    def _go(self, candidate: Candidate, place: int, outcomes: list[Outcome]) -> None:
        """Take a candidate through the stages from a place on."""
        for step in self.steps[place:]:
            if step.stage is None:
                passed = self._ask(step, candidate, outcomes)
            else:
                passed = self._put(step, step.stage, candidate, outcomes)
            if passed is None:
                return
            candidate = passed
        self._fire(candidate, outcomes)

    def _put(
        self, step: Step, stage: Stage, candidate: Candidate, outcomes: list[Outcome]
    ) -> Candidate | None:
        """Put a candidate to a stage; return what goes on."""
        key = stage.falls_under(candidate)
        memory = step.memories.get(key)
        ruling = stage.decide(memory, candidate, candidate.at)
        if self._controls.watcher is not None:
            self._controls.watcher(step, memory, candidate, ruling)
        if ruling.memory is not memory:
            self._controls.remember(step, key, ruling.memory)
        for each in ruling.dropped:
            reason = ruling.reason if ruling.move is Move.DROP else Reason.DEBOUNCED
            self.suppress(each, reason, ruling.detail, step, outcomes)
        if isinstance(stage, Budget) and ruling.dropped and stage.calls_for_then(memory):
            outcomes.append(self.come_about(candidate, Branch.THEN, Reason.EXHAUSTED))
        return ruling.passed[0] if ruling.passed else None

    def _ask(self, step: Step, candidate: Candidate, outcomes: list[Outcome]) -> Candidate | None:
        """Put the conditions to a candidate, after those that still wait for answers."""
        if self._asking:
            self._wait(Asked(self.id, candidate, ()), outcomes)
            return None
        return self._judge(step, candidate, {}, outcomes)

    def _judge(
        self, step: Step, candidate: Candidate, answers: Answers, outcomes: list[Outcome]
    ) -> Candidate | None:
        about = {"id": self.id, "name": self.automation.name, "version": self.by[2]}
        result = judged(self.automation.conditions, candidate, about, answers)
        if self._controls.watcher is not None:
            self._controls.watcher(step, None, candidate, result)
        if result.missing:
            self._wait(Asked(self.id, candidate, result.missing, answers), outcomes)
            return None
        candidate = replace(candidate, conditions=tuple(result.values))
        if result.holds:
            return candidate
        reason = Reason.CONDITION_ERROR if result.holds is None else Reason.CONDITION_FALSE
        self.suppress(candidate, reason, result.error, step, outcomes)
        return None

    def _wait(self, asked: Asked, outcomes: list[Outcome]) -> None:
        self._asking += 1
        self._controls.asking += 1
        outcomes.append(asked)

    def _fire(self, candidate: Candidate, outcomes: list[Outcome]) -> None:
        firing = self.come_about(candidate)
        outcomes.append(firing)
        if self._turns is not None:
            progress = self._controls.begun(firing, self.automation.actions)
            self._turns.begin(candidate, progress)

    def _next(self, key: str, now: int, outcomes: list[Outcome]) -> None:
        """Let those go on that waited for their turn, as long as there is a place."""
        if self._turns is not None:
            for candidate in self._turns.next(key, now):
                self._go(candidate, self._after_turns, outcomes)
