"""A candidate's way through the stages of its automation, until it is a firing or is held back.

enter → stage by stage: pass, hold or drop → the firing, which may be in progress for a while
at_deadline, ended → what waited goes on from where it waited
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..conditions import Answers
from ..definition import Automation, Branch
from ..firing import Firing, Occasion, come_about
from ..outcomes import Asked, Outcome, Resolution, Suppression
from ..triggers import Facts, Memory, Reason, Verdict, bucket_in
from .base import Move, Stage
from .budget import Budget
from .candidate import Candidate
from .incident import Incident, Incidents
from .judging import judged
from .mode import Turns
from .turns import TurnTaking

if TYPE_CHECKING:
    from upshot.events.event import Recorded

    from .awaiting import Awaited
    from .controls import Controls


@dataclass(slots=True)
class Step:
    """A stage in its place.

    Attributes:
        key: what its memories are kept under.
        stage: the stage; None for the conditions, which remember nothing.
        memories: by key of the stage, to be read.
    """

    key: str
    stage: Stage | None
    memories: dict[str, Memory]


class Pipeline:
    """The stages of an automation in force.

    Args:
        automation: the definition. version: which one of it. identity: the automation's id.
        steps: its stages, in order. controls: what it shares with those of other automations.
    """

    def __init__(
        self,
        automation: Automation,
        version: int,
        identity: str,
        steps: list[Step],
        controls: Controls,
    ) -> None:
        self.automation = automation
        self.version = version
        self.id = identity
        self.steps = steps
        self._controls = controls
        self._places = {step.key: place for place, step in enumerate(steps)}
        self._turns: TurnTaking | None = None
        self._after_turns = 0
        for place, step in enumerate(steps, 1):
            if isinstance(step.stage, Turns):
                self._turns, self._after_turns = TurnTaking(identity, step, controls), place
        self._asking = 0

    def step(self, node: str) -> Step | None:
        """Return the stage whose memories are kept under a key, if it is one of these."""
        place = self._places.get(node)
        return None if place is None else self.steps[place]

    def enter(
        self, verdict: Verdict, occasion: Occasion, labels: dict[str, str], facts: Facts | None
    ) -> list[Outcome]:
        """Take a firing of the trigger as far as it gets.

        Args:
            verdict: what the trigger decided. occasion: what on.
            labels: the bucket's values, by ``for_each`` entry. facts: the event, where one fired.
        """
        stages = [step.stage for step in self.steps if step.stage is not None]
        keys = {each.name: self.key_of(each, occasion.bucket, labels, facts) for each in stages}
        keys = {name: key for name, key in keys.items() if key}
        outcomes: list[Outcome] = []
        self._go(Candidate.of(verdict, occasion, labels, keys), 0, outcomes)
        return outcomes

    def key_of(self, stage: Stage, bucket: str, labels: dict[str, str], facts: Facts | None) -> str:
        """Return which key of a stage a firing of the trigger falls under."""
        return bucket if isinstance(stage, Incidents) else stage.key_of(labels, facts)

    def at_deadline(self, node: str, key: str, when: int) -> list[Outcome]:
        """Let what waited until ``when`` (ms) at a stage go on."""
        place = self._places[node]
        step = self.steps[place]
        assert step.stage is not None
        ruling = step.stage.at_deadline(step.memories[key], when)
        self._remember(step, key, ruling.memory)
        outcomes: list[Outcome] = []
        for candidate in ruling.passed:
            self._go(candidate, place + 1, outcomes)
        if isinstance(step.stage, Turns):
            self._next(key, when, outcomes)
        return outcomes

    def proceed(self, asked: Asked, answers: Answers) -> list[Outcome]:
        """Go on with a candidate whose questions are answered."""
        self._asking -= 1
        outcomes: list[Outcome] = []
        place = next(n for n, step in enumerate(self.steps) if step.stage is None)
        known = {**asked.answers, **answers}
        passed = self._judge(self.steps[place], asked.candidate, known, outcomes)
        if passed is not None:
            self._go(passed, place + 1, outcomes)
        return outcomes

    def ended(self, awaited: Awaited, event: Recorded) -> list[Outcome]:
        """Learn what an event says of a firing that is in progress."""
        outcomes: list[Outcome] = []
        if self._turns is not None and self._turns.ended(awaited, event):
            self._next(awaited.key, event.received, outcomes)
        return outcomes

    def give_up(self, awaited: Awaited, firing: Firing) -> None:
        """Let a firing that is in progress end at the next deadline."""
        if self._turns is not None:
            self._turns.give_up(awaited, firing)

    def resolve(self, facts: Facts) -> list[Outcome]:
        """End the incident of an event's bucket, if one is open and the event says it is over."""
        step, resolve = self.steps[-1], self.automation.resolve
        bucket = bucket_in(self.automation.trigger, facts)
        incident = step.memories.get(bucket)
        if not isinstance(incident, Incident) or resolve is None or not resolve.ends(facts):
            return []
        self._remember(step, bucket, None)
        event = facts.recorded
        told = incident.told("resolved")
        name, version = self.automation.name, self.version
        outcomes: list[Outcome] = [
            Resolution(
                self.id,
                name,
                version,
                incident.labels,
                told,
                event,
                event.received,
                shadow=self.automation.shadow,
            )
        ]
        if self.automation.on_resolve:
            over = incident.over(bucket, event)
            outcomes.append(self._come_about(over, Branch.ON_RESOLVE, Reason.RESOLVED))
        return outcomes

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
        key = candidate.keys.get(stage.name, "")
        memory = step.memories.get(key)
        ruling = stage.decide(memory, candidate, candidate.at)
        if self._controls.watcher is not None:
            self._controls.watcher(step, memory, candidate, ruling)
        if ruling.memory is not memory:
            self._remember(step, key, ruling.memory)
        for each in ruling.dropped:
            reason = ruling.reason if ruling.move is Move.DROP else Reason.DEBOUNCED
            self._suppress(each, reason, ruling.detail, stage.name, outcomes)
        if isinstance(stage, Budget) and ruling.dropped and stage.calls_for_then(memory):
            outcomes.append(self._come_about(candidate, Branch.THEN, Reason.EXHAUSTED))
        return ruling.passed[0] if ruling.passed else None

    def _ask(self, step: Step, candidate: Candidate, outcomes: list[Outcome]) -> Candidate | None:
        """Put the conditions to a candidate, after those that still wait for answers."""
        if self._asking:
            self._asking += 1
            outcomes.append(Asked(self.id, candidate, ()))
            return None
        return self._judge(step, candidate, {}, outcomes)

    def _judge(
        self, step: Step, candidate: Candidate, answers: Answers, outcomes: list[Outcome]
    ) -> Candidate | None:
        about = {"id": self.id, "name": self.automation.name, "version": self.version}
        result = judged(self.automation.conditions, candidate, about, answers)
        if self._controls.watcher is not None:
            self._controls.watcher(step, None, candidate, result)
        if result.missing:
            self._asking += 1
            outcomes.append(Asked(self.id, candidate, result.missing, answers))
            return None
        candidate = replace(candidate, conditions=tuple(result.values))
        if result.holds:
            return candidate
        reason = Reason.CONDITION_ERROR if result.holds is None else Reason.CONDITION_FALSE
        self._suppress(candidate, reason, result.error, "conditions", outcomes)
        return None

    def _fire(self, candidate: Candidate, outcomes: list[Outcome]) -> None:
        firing = self._come_about(candidate)
        outcomes.append(firing)
        if self._turns is not None:
            progress = self._controls.begun(firing, self.automation.actions)
            self._turns.begin(candidate, progress)

    def _come_about(
        self,
        candidate: Candidate,
        branch: Branch = Branch.ACTIONS,
        reason: Reason | None = None,
    ) -> Firing:
        self._controls.stats.firings += 1
        return come_about(self.id, self.automation, self.version, candidate, branch, reason)

    def _next(self, key: str, now: int, outcomes: list[Outcome]) -> None:
        """Let those go on that waited for their turn, as long as there is a place."""
        if self._turns is not None:
            for candidate in self._turns.next(key, now):
                self._go(candidate, self._after_turns, outcomes)

    def _remember(self, step: Step, key: str, memory: Memory | None) -> None:
        if self._turns is not None and isinstance(step.stage, Turns):
            self._turns.remember(key, memory)
        elif memory is not None or key in step.memories:
            self._controls.windows.put((step.key, key), memory)

    def _suppress(
        self,
        candidate: Candidate,
        reason: Reason,
        message: str,
        stage: str,
        outcomes: list[Outcome],
    ) -> None:
        controls = self._controls
        controls.stats.suppressions += 1
        kind = (self.id, reason.value, candidate.keys.get(stage, ""))
        told = 0 if candidate.quiet else controls.telling.tells(kind, candidate.at)
        by = (self.id, self.automation, self.version)
        outcomes.append(Suppression.of(candidate, by, reason, message, stage, told))
