"""Which events are a trigger's business: its names, the labels it asks for, and its ``where``."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from ..exceptions import ExpressionFailed
from ..expressions.expression import Expression
from ..matching import LabelMatch, Matches, name_glob
from .base import Facts, Reason, Verdict
from .buckets import ForEach, bucket_of, reader, values_of
from .explaining import Checks, label_checks, related_checks, where_check
from .window import Memory


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str | dict | LabelMatch) else value


Names = Annotated[
    tuple[Annotated[str, Field(max_length=128, pattern=r"^[a-z0-9*][a-z0-9_.*-]*$")], ...],
    BeforeValidator(_as_list),
    Field(max_length=100),
]
"""Event names or globs such as ``flow-run.*``; ``*`` leaves out what automations tell of."""

Related = Annotated[Matches, BeforeValidator(_as_list)]
Keys = Annotated[ForEach, BeforeValidator(_as_list)]


class Named:
    """Tells whether an event name is one of these names or globs."""

    __slots__ = ("_exact", "_globs")

    def __init__(self, names: tuple[str, ...]) -> None:
        self._exact = frozenset(name for name in names if "*" not in name)
        self._globs = tuple(name_glob(name) for name in names if "*" in name)

    def __contains__(self, name: str) -> bool:
        return name in self._exact or any(each.fullmatch(name) for each in self._globs)


class Selecting(BaseModel):
    """What every trigger on events can ask of them.

    Attributes:
        match: labels of the resource.
        match_related: one or several specs, each satisfied by some related resource.
        where: a CEL condition on ``event``; where it can't be evaluated the event doesn't match.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    pins: ClassVar[bool] = True

    match: LabelMatch = Field(default_factory=lambda: LabelMatch({}))
    match_related: Related = ()
    where: Expression | None = None

    def refusal(self, window: Memory | None, facts: Facts) -> Verdict | None:
        """Return why the event's labels or its content rule it out, or None if they don't."""
        if (mismatch := self.match.mismatch(facts.resource)) is not None:
            return Verdict(window, Reason.NO_MATCH, detail=str(mismatch))
        for spec in self.match_related:
            if (mismatch := spec.mismatch_among(facts.related)) is not None:
                return Verdict(window, Reason.NO_RELATED_MATCH, detail=str(mismatch))
        return self._where_refusal(window, facts) if self.where is not None else None

    def asked(self, facts: Facts, verdict: Verdict) -> Checks:
        """Return what it asks of the event's labels and its content, and what it found."""
        checks = label_checks("match", self.match, facts.resource)
        checks += related_checks(self.match_related, facts)
        if self.where is not None:
            checks.append(where_check(self.where.source, verdict.reason, verdict.detail, facts))
        return checks

    def _where_refusal(self, window: Memory | None, facts: Facts) -> Verdict | None:
        assert self.where is not None
        try:
            if self.where.holds(facts.scope):
                return None
        except ExpressionFailed as error:
            return Verdict(window, Reason.WHERE_ERROR, detail=str(error))
        return Verdict(window, Reason.WHERE_FALSE, detail=self.where.source)


class Bucketed(BaseModel):
    """A trigger with one bucket for each value of its ``for_each``.

    Attributes:
        for_each: labels of the resource, ``related:<role>:<label>`` or ``payload.<path>``.
    """

    for_each: Keys = ()

    @cached_property
    def readers(self) -> tuple[Any, ...]:
        return tuple(reader(entry) for entry in self.for_each)

    def bucket(self, facts: Facts) -> str:
        """Return the name of the bucket that the event falls into."""
        readers = self.readers
        return bucket_of([read(facts) for read in readers]) if readers else ""

    def labels(self, bucket: str) -> dict[str, str]:
        """Return the values that a bucket stands for, by ``for_each`` entry."""
        return values_of(self.for_each, bucket)


class OfRuns(Selecting):
    """What a trigger on flow runs can ask of them.

    Attributes:
        deployment: the runs' deployment, ``flow/deployment``; ``*`` globs.
        flow: the runs' flow; ``*`` globs.
    """

    deployment: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    flow: Annotated[str, Field(min_length=1, max_length=256)] | None = None

    @cached_property
    def related_specs(self) -> tuple[LabelMatch, ...]:
        """Every spec that some related resource must satisfy."""
        named = {"deployment": self.deployment, "flow": self.flow}
        asked = [LabelMatch({"role": role, "name": name}) for role, name in named.items() if name]
        return (*asked, *self.match_related)

    def refusal(self, window: Memory | None, facts: Facts) -> Verdict | None:
        """Return why the run is not meant, or None if it is."""
        for spec in self.related_specs[: bool(self.deployment) + bool(self.flow)]:
            if (mismatch := spec.mismatch_among(facts.related)) is not None:
                return Verdict(window, Reason.NO_RELATED_MATCH, detail=str(mismatch))
        return super().refusal(window, facts)

    def asked(self, facts: Facts, verdict: Verdict) -> Checks:
        """Return what it asks of the run, and what it found."""
        own = self.related_specs[: bool(self.deployment) + bool(self.flow)]
        return [*related_checks(own, facts), *super().asked(facts, verdict)]
