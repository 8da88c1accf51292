"""The stages of all automations in force; what is in progress, and what is told, over all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, TypeAlias

from upshot.events.event import Recorded

from ..actions import Action
from ..conditions.condition import Answers, Judged
from ..definition import Automation
from ..firing import Firing, Occasion
from ..index import Index
from ..outcomes import Asked, By, Outcome, Suppression
from ..tally import Statistics
from ..triggers import Facts, Memory, Reason, Verdict
from ..windows import OpenWindows
from .awaiting import Awaiting
from .base import Ruling, Stage
from .candidate import Candidate
from .ending import abandon, resolve
from .held import Held
from .pipeline import Pipeline, Step
from .progress import GIVEN_UP, Progress
from .stages import Fate, goes_on, stages_of
from .telling import Telling

Watcher: TypeAlias = Callable[[Step, Memory | None, Candidate, Ruling | Judged], None]
"""Who is told what each stage decides: the stage, what it remembered, on what, and how."""

_SUPPRESSED: Final = frozenset({"automation.suppressed", "automation.shadow-suppressed"})


class Controls:
    """The stages of all automations in force.

    Args:
        windows: what they remember. stats: what is counted.
        acts_since: the log's ms from which on it tells of what firings set off. Where they are
            only tried out, it never does: then each is taken to be in progress for ``takes`` ms.

    Attributes:
        asking: how many candidates wait for answers.
        abandoned: the suppressions of what was held where stages went out of force.
    """

    def __init__(
        self, windows: OpenWindows, stats: Statistics, acts_since: int = 0, takes: int = 0
    ) -> None:
        self.stats = stats
        self.telling = Telling()
        self.watcher: Watcher | None = None
        self.resolving: Index[Pipeline] = Index()
        self.awaiting = Awaiting()
        self.held = Held()
        self.asking = 0
        self._windows = windows
        self._acts_since = acts_since
        self._takes = takes
        self._pipelines: dict[str, Pipeline] = {}
        self.abandoned: list[Outcome] = []

    def pipeline(self, identity: str) -> Pipeline | None:
        """Return the stages of an automation, by its id; None where it has none."""
        return self._pipelines.get(identity)

    def define(self, automation: Automation, version: int, same_trigger: bool, now: int) -> Fate:
        """Put the stages of an automation in force.

        A stage that is unchanged goes on with what it remembers.

        Args:
            automation: the definition. version: which one of it.
            same_trigger: whether its trigger is unchanged. now: the log's millisecond.
        """
        identity = automation.id
        asked = {f"{identity}!{name}": stage for name, stage in stages_of(automation)}
        before = self._take_out(identity)
        there = {step.key: step.stage for step in before.steps if step.stage} if before else {}
        kept = {key for key, stage in asked.items() if goes_on(there.get(key), stage, same_trigger)}
        if before is not None:
            self._forget(before, there.keys() - kept, Reason.CHANGED, now)
        if asked:
            # One that is kept has its parts compiled already.
            stages = {key: there[key] if key in kept else stage for key, stage in asked.items()}
            self._put_in(automation, version, stages)
        return Fate(len(there), len(kept), sum(each is not None for each in asked.values()))

    def remove(self, identity: str, now: int) -> None:
        """Take the stages of an automation out of force, and forget what they remember."""
        before = self._take_out(identity)
        if before is not None:
            self._forget(before, {step.key for step in before.steps}, Reason.STOPPED, now)

    def remember(self, step: Step, key: str, memory: Memory | None) -> None:
        """Keep what a stage remembers of a key from now on; None forgets it."""
        before = step.memories.get(key)
        self._note(step, key, before, memory)
        if memory is not None or before is not None:
            self._windows.put((step.key, key), memory)

    def restored(self, node: str, key: str) -> None:
        """Learn that what a stage in force remembers of a key was restored."""
        step = self._of(node).step(node)
        self._note(step, key, None, step.memories[key])

    def enter(
        self,
        pipeline: Pipeline,
        verdict: Verdict,
        occasion: Occasion,
        labels: dict[str, str],
        facts: Facts | None,
    ) -> list[Outcome]:
        """Take a firing of an automation's trigger as far as it gets; see ``Pipeline.enter``."""
        decide = partial(pipeline.enter, verdict, occasion, labels, facts)
        return self._isolated(pipeline, occasion, decide)

    def at_deadline(self, node: str, key: str, when: int) -> list[Outcome]:
        """Let what waited until ``when`` (ms) at a stage go on."""
        pipeline = self._of(node)
        occasion = Occasion(key, "", when, None, None, None)
        step = pipeline.step(node)
        decide = partial(pipeline.at_deadline, step, key, when)
        outcomes = self._isolated(pipeline, occasion, decide)
        left = step.memories.get(key)
        if left is not None and 0 < left.deadline <= when:  # it failed; what it held is given up
            self.remember(step, key, None)
        return outcomes

    def resolve(self, event: Recorded) -> list[Outcome]:
        """End the incidents that an event says are over, and what is held for them."""
        body, outcomes = event.body, list[Outcome]()
        for pipeline in self.resolving.candidates(body["event"], body["resource"], body["related"]):
            self.stats.decisions += 1
            decide = partial(resolve, self, pipeline, Facts(event))
            outcomes += self._isolated(pipeline, Occasion.of_event("", event), decide)
        return outcomes

    def learn(self, event: Recorded) -> list[Outcome]:
        """Learn what an event says of what is in progress."""
        found = self.awaiting.on(event.resource["id"])
        if found is None:
            return []
        pipeline, occasion = self._pipelines[found.automation], Occasion.of_event(found.key, event)
        return self._isolated(pipeline, occasion, partial(pipeline.ended, found, event))

    def proceed(self, asked: Asked, answers: Answers) -> list[Outcome]:
        """Go on with a candidate whose questions are answered."""
        pipeline, candidate = self._pipelines[asked.automation_id], asked.candidate
        occasion = Occasion(candidate.bucket, "", candidate.at, candidate.event, None, None)
        return self._isolated(pipeline, occasion, partial(pipeline.proceed, asked, answers))

    def begun(self, firing: Firing, actions: Sequence[Action]) -> Progress | None:
        """Return the progress of a firing that came about; None for one that is over at once."""
        span = GIVEN_UP if firing.at >= self._acts_since else self._takes
        if firing.shadow or not span:
            return None
        return Progress.of(firing.id, actions, firing.at, span)

    def give_up(self, firing: Firing) -> None:
        """Wait no longer for the end of a firing that will never begin; the next one may go on."""
        found = self.awaiting.of(firing.id)
        if found is not None:
            self._pipelines[found.automation].give_up(found, firing)

    def suppress(self, by: By, occasion: Occasion, reason: Reason, message: str) -> list[Outcome]:
        """Return the suppression of a trigger's firing, or of a decision that failed.

        Args:
            by: the id, the definition and the version of the automation.
        """
        self.stats.suppressions += 1
        if occasion.event is not None and occasion.event.name in _SUPPRESSED:
            return []  # the report of a suppression must not bring forth the next one, for ever
        told = self.telling.tells((by[0], reason.value, occasion.bucket), occasion.at)
        return [Suppression.on(occasion, by, reason, message, told)]

    def _of(self, node: str) -> Pipeline:
        return self._pipelines[node.partition("!")[0]]

    def _isolated(
        self, pipeline: Pipeline, occasion: Occasion, decide: Callable[[list[Outcome]], None]
    ) -> list[Outcome]:
        """Return what is decided; an automation that fails must not stop the others."""
        outcomes: list[Outcome] = []
        try:
            decide(outcomes)
        except Exception as error:  # noqa: BLE001 - see above
            outcomes += self.suppress(pipeline.by, occasion, Reason.ERROR, repr(error))
        return outcomes

    def _put_in(
        self, automation: Automation, version: int, stages: dict[str, Stage | None]
    ) -> None:
        steps = [
            Step(automation, key, stage, self._windows.own(key, stage) if stage else {})
            for key, stage in stages.items()
        ]
        pipeline = Pipeline(automation, version, steps, self)
        self._pipelines[pipeline.id] = pipeline
        if automation.resolve is not None:
            self.resolving.add(pipeline.id, automation.resolve.interest(), pipeline)
        for step in steps:
            for key, memory in step.memories.items():
                self._note(step, key, None, memory)

    def _take_out(self, identity: str) -> Pipeline | None:
        """Take the stages of an automation out; what they remember stays in place."""
        pipeline = self._pipelines.pop(identity, None)
        self.resolving.remove(identity)
        for step in pipeline.steps if pipeline is not None else ():
            for key, memory in step.memories.items():
                self._note(step, key, memory, None)
        return pipeline

    def _forget(self, pipeline: Pipeline, nodes: set[str], reason: Reason, now: int) -> None:
        """Forget what stages remember; what they leave undone is told."""
        for step in pipeline.steps:
            if step.key in nodes:
                abandoned = abandon(pipeline, step, reason, now)
                self.stats.suppressions += len(abandoned)
                self.abandoned += abandoned
                self._windows.disown(step.key)

    def _note(self, step: Step, key: str, before: Memory | None, after: Memory | None) -> None:
        """Wait for the events that what is remembered waits for, and no longer for others."""
        identity = step.automation.id
        self.awaiting.change(identity, key, before, after)
        if step.automation.resolve is not None:
            self.held.change(identity, (step.key, key), before, after)
