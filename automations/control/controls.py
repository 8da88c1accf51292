"""The stages of all automations in force; what is in progress, and what is told, over all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, NamedTuple, TypeAlias

from upshot.events.event import Recorded

from ..actions import Action
from ..conditions import Answers, Judged
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
from .incident import Incidents
from .pipeline import Pipeline, Step
from .progress import GIVEN_UP, Progress
from .telling import Telling

Watcher: TypeAlias = Callable[[Step, Memory | None, Candidate, Ruling | Judged], None]
"""Who is told what each stage decides: the stage, what it remembered, on what, and how."""


_SUPPRESSED: Final = frozenset({"automation.suppressed", "automation.shadow-suppressed"})
_PLACES: Final = {"budget": "budget", "incident": "resolve"}
"""Where stages stand in a definition that do not stand under ``control``."""


class Fate(NamedTuple):
    """How many stages there were, how many go on with what they remember, how many there are."""

    before: int
    kept: int
    now: int


def stages_of(automation: Automation, identity: str) -> list[tuple[str, Stage | None]]:
    """Return the stages that an automation asks for by name, in order; conditions are None."""
    control, resolve = automation.control, automation.resolve
    incidents = Incidents(automation=identity, resolve=resolve) if resolve is not None else None
    found: list[Stage | None] = [control.debounce, control.batch]
    later = [control.throttle, control.turns, automation.budget, incidents]
    named: list[tuple[str, Stage | None]] = [(each.name, each) for each in found if each]
    if automation.conditions:
        named.append(("conditions", None))
    return [*named, *((each.name, each) for each in later if each is not None)]


def _goes_on(before: Stage | None, after: Stage | None, same_trigger: bool) -> bool:
    """Tell whether a stage keeps what it remembers; incidents are the trigger's."""
    if before is None or before != after:
        return False
    return same_trigger or not isinstance(after, Incidents)


def kept_on_edit(before: Automation, after: Automation) -> dict[str, bool]:
    """Tell for each stage of ``after``, by its place, whether it keeps what it remembered."""
    earlier = dict(stages_of(before, before.id))
    same_trigger = before.trigger == after.trigger
    return {
        _PLACES.get(name, f"control.{name}"): _goes_on(earlier.get(name), stage, same_trigger)
        for name, stage in stages_of(after, before.id)
        if stage is not None
    }


class Controls:
    """The stages of all automations in force.

    Args:
        windows: what they remember. stats: what is counted.
        acts_since: the log's ms from which on it tells of what firings set off. Where they are
            only tried out, it never does: then each is taken to be in progress for ``takes`` ms.
    """

    def __init__(
        self, windows: OpenWindows, stats: Statistics, acts_since: int = 0, takes: int = 0
    ) -> None:
        self.windows = windows
        self.stats = stats
        self.telling = Telling()
        self.watcher: Watcher | None = None
        self.resolving: Index[Pipeline] = Index()
        self.awaiting = Awaiting()
        self._acts_since = acts_since
        self._takes = takes
        self._pipelines: dict[str, Pipeline] = {}

    def pipeline(self, identity: str) -> Pipeline | None:
        """Return the stages of an automation, by its id; None where it has none."""
        return self._pipelines.get(identity)

    def define(
        self, automation: Automation, version: int, identity: str, same_trigger: bool
    ) -> Fate:
        """Put the stages of an automation in force.

        A stage that is unchanged goes on with what it remembers.

        Args:
            automation: the definition. version: which one of it. identity: the automation's id.
            same_trigger: whether its trigger is unchanged.
        """
        asked = {f"{identity}!{name}": stage for name, stage in stages_of(automation, identity)}
        there = self._take_out(identity)
        kept = {
            key for key, stage in asked.items() if _goes_on(there.get(key), stage, same_trigger)
        }
        for key in there.keys() - kept:
            self._forget(key)
        if asked:
            # One that is kept has its parts compiled already.
            self._put_in(Pipeline(automation, version, identity, [
                self._step(key, there[key] if key in kept else stage)
                for key, stage in asked.items()
            ], self))  # fmt: skip
        return Fate(len(there), len(kept), sum(each is not None for each in asked.values()))

    def remove(self, identity: str) -> None:
        """Take the stages of an automation out of force, and forget what they remember."""
        for key in self._take_out(identity):
            self._forget(key)

    def restored(self, node: str, key: str) -> None:
        """Learn that a memory was restored: what is in progress is waited for again."""
        pipeline = self._pipelines.get(node.partition("!")[0])
        step = pipeline.step(node) if pipeline is not None else None
        if pipeline is not None and step is not None:
            self.awaiting.change(pipeline.id, key, None, step.memories.get(key))

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
        pipeline = self._pipelines[node.partition("!")[0]]
        occasion = Occasion(key, "", when, None, None, None)
        outcomes = self._isolated(
            pipeline, occasion, partial(pipeline.at_deadline, node, key, when)
        )
        left = self.windows.get((node, key))
        if left is not None and 0 < left.deadline <= when:  # it failed; what it held is given up
            self.awaiting.change(pipeline.id, key, left, None)
            self.windows.put((node, key), None)
        return outcomes

    def resolve(self, event: Recorded) -> list[Outcome]:
        """End the incidents that an event says are over."""
        body, outcomes = event.body, list[Outcome]()
        found = self.resolving.candidates(body["event"], body["resource"], body["related"])
        for pipeline in found:
            self.stats.decisions += 1
            occasion = Occasion.of_event("", event)
            outcomes += self._isolated(pipeline, occasion, partial(pipeline.resolve, Facts(event)))
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

    def _isolated(
        self, pipeline: Pipeline, occasion: Occasion, decide: Callable[[], list[Outcome]]
    ) -> list[Outcome]:
        """Return what is decided; an automation that fails must not stop the others."""
        try:
            return decide()
        except Exception as error:  # noqa: BLE001 - see above
            by = (pipeline.id, pipeline.automation, pipeline.version)
            return self.suppress(by, occasion, Reason.ERROR, repr(error))

    def _step(self, key: str, stage: Stage | None) -> Step:
        return Step(key, stage, self.windows.own(key, stage) if stage is not None else {})

    def _put_in(self, pipeline: Pipeline) -> None:
        self._pipelines[pipeline.id] = pipeline
        resolve = pipeline.automation.resolve
        if resolve is not None:
            self.resolving.add(pipeline.id, resolve.interest(), pipeline)

    def _take_out(self, identity: str) -> dict[str, Stage]:
        """Take the stages of an automation out; return them, with what they remember in place."""
        pipeline = self._pipelines.pop(identity, None)
        self.resolving.remove(identity)
        steps = pipeline.steps if pipeline is not None else []
        return {step.key: step.stage for step in steps if step.stage is not None}

    def _forget(self, node: str) -> None:
        for key, memory in self.windows.of(node).items():
            self.awaiting.change("", key, memory, None)
        self.windows.disown(node)
