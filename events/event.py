"""The event: what happened, to what, and what caused it. Checked once, where it enters."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json

from .exceptions import InvalidEvent
from .ids import new_id
from .wording import in_words

MAX_EVENT_BYTES: Final = 256 * 1024
MAX_LABELS: Final = 64
MAX_RELATED: Final = 64
MAX_CHAIN: Final = 32
MAX_PASSED: Final = 256
MAX_DEPTH: Final = 1_000_000
MAX_NESTING: Final = 100
"""Levels of objects and arrays; JSON parsers stop near 200, and records wrap events further."""

_OWN_KINDS: Final = ("automation", "action", "log")
_RUN_EVENT: Final = re.compile(r"(?:flow|task)-run(?:\.|$)")
_RUN_ID: Final = re.compile(
    r"(?:flow|task)-run\.[0-9a-f]{8}(?:-?[0-9a-f]{4}){3}-?[0-9a-f]{12}", re.I
)

_SURELY_LEGIBLE_BYTES: Final = 4000  # too few for a number that Python refuses to read

EventName = Annotated[
    str, Field(max_length=128, pattern=r"^[a-z0-9][a-z0-9_-]*(\.[a-z0-9][a-z0-9_-]*)*$")
]
EventId = Annotated[
    str, Field(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@/+=~-]*$")
]
LabelName = Annotated[str, Field(max_length=128, pattern=r"^[A-Za-z0-9_][A-Za-z0-9_./:-]*$")]
LabelValue = Annotated[str, Field(max_length=1024)]
PassedId = Annotated[str, Field(max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]*$")]
PassedCount = Annotated[int, Field(ge=1, le=MAX_DEPTH)]


def _has_id(labels: dict[str, str]) -> dict[str, str]:
    if not labels.get("id"):
        raise ValueError("a resource needs an 'id' label that is not empty")
    return labels


Resource = Annotated[
    dict[LabelName, LabelValue], Field(max_length=MAX_LABELS), AfterValidator(_has_id)
]
"""A thing that events are about: an ``id`` label plus any other string labels."""


class Causation(BaseModel):
    """The way that led to an event: through which events and which automations.

    Attributes:
        depth: how many firings lie between the first cause and this event.
        chain: ids of the latest causing events, oldest first, at most ``MAX_CHAIN``.
        automations: how often each automation (by id) was passed on the way.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    depth: int = Field(default=0, ge=0, le=MAX_DEPTH)
    chain: list[EventId] = Field(default_factory=list, max_length=MAX_CHAIN)
    automations: dict[PassedId, PassedCount] = Field(default_factory=dict, max_length=MAX_PASSED)

    def passing(self, event_id: str, automation_id: str) -> Causation:
        """Return the causation of what ``automation_id`` does because of ``event_id``.

        It is within all bounds, however far those of a way that a sender made up are used.
        """
        times = min(self.automations.get(automation_id, 0) + 1, MAX_DEPTH)
        others = {each: n for each, n in self.automations.items() if each != automation_id}
        passed = [*others.items(), (automation_id, times)]
        return Causation(
            depth=min(self.depth + 1, MAX_DEPTH),
            chain=[*self.chain, event_id][-MAX_CHAIN:],
            automations=dict(passed[-MAX_PASSED:]),
        )


def _now() -> datetime:
    return datetime.now(UTC)


class Event(BaseModel):
    """One thing that happened.

    Attributes:
        id: unique; an id that the sender chose is accepted once.
        event: name, ``<kind>.<past participle or state>``, lower case.
        occurred: when it happened, by the sender's clock, with a UTC offset.
        resource: what it happened to.
        related: other resources it concerns, each usually with a ``role`` label.
        payload: any JSON object.
        follows: id of the event that caused this one.
        causation: the longer way back, set on what actions and the runs they start emit.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: EventId = Field(default_factory=new_id)
    event: EventName
    occurred: AwareDatetime = Field(default_factory=_now)
    resource: Resource
    related: list[Resource] = Field(default_factory=list, max_length=MAX_RELATED)
    payload: dict[str, Any] = Field(default_factory=dict)
    follows: EventId | None = None
    causation: Causation | None = Field(default=None, exclude_if=lambda value: value is None)

    @classmethod
    def of(cls, **fields: Any) -> Self:
        """Make an event of fields that people gave.

        Raises:
            InvalidEvent: naming each field that is wrong.
        """
        try:
            return cls(**fields)
        except ValidationError as error:
            raise InvalidEvent(describe(error)) from error

    def to_json(self) -> bytes:
        """Return the event as the log keeps it.

        Raises:
            InvalidEvent: it is larger than ``MAX_EVENT_BYTES``, nested deeper than ``MAX_NESTING``
                or its payload is not JSON.
        """
        try:
            body = self.__pydantic_serializer__.to_json(self)
        except ValueError as error:
            raise InvalidEvent(f"payload: not JSON: {error}") from error
        return require_readable(body)


def require_readable(body: bytes) -> bytes:
    """Return an event's JSON, or raise InvalidEvent where it is more than readers can take."""
    if len(body) > MAX_EVENT_BYTES:
        raise InvalidEvent(
            f"the event has {len(body):,} bytes; at most {MAX_EVENT_BYTES:,} are accepted"
        )
    _require_legible(body)
    return body


def _require_legible(body: bytes) -> None:
    """Refuse what no reader of the log could parse: it would stop every one of them for ever."""
    suspicious = body.count(b"[") + body.count(b"{") > MAX_NESTING
    if not suspicious and len(body) < _SURELY_LEGIBLE_BYTES:
        return
    try:
        readable = from_json(body)
    except ValueError as error:
        raise InvalidEvent(f"payload: can't be read back: {error}") from error
    if suspicious and nesting(readable) > MAX_NESTING:
        raise InvalidEvent(f"payload: nested deeper than {MAX_NESTING} levels")


def nesting(value: Any) -> int:
    """Return how many objects and arrays lie within each other, level by level."""
    depth, level = 0, [value]
    while level := [each for each in level if isinstance(each, dict | list)]:
        depth += 1
        level = [
            inner for each in level for inner in (each.values() if isinstance(each, dict) else each)
        ]
    return depth


def impostor(event: str, resource_id: str) -> str | None:
    """Return why nobody but Upshot may send an event of this name about this resource, or None.

    Whoever could would speak for the automations, the log, or a run that has an id of ours.
    """
    if event.partition(".")[0] in _OWN_KINDS:
        kinds = ", ".join(f"{kind}.*" for kind in _OWN_KINDS)
        return f"the names {kinds} are Upshot's own; give {event!r} another name"
    if _RUN_EVENT.match(event) and _RUN_ID.fullmatch(resource_id):
        return f"{event!r} about {resource_id!r} would speak for a run; only the run itself can"
    return None


def refuse_impostor(event: Event) -> None:
    """Do nothing, or raise InvalidEvent where :func:`impostor` has a reason."""
    if why := impostor(event.event, event.resource["id"]):
        raise InvalidEvent(f"event: {why}")


def describe(error: ValidationError) -> str:
    """Put a validation error in one line a person can act on: ``field: what is wrong``."""
    lines = []
    for problem in error.errors(include_url=False)[:10]:
        field = ".".join(str(part) for part in problem["loc"]) or "event"
        lines.append(f"{field}: {in_words(problem)}")
    return "; ".join(lines)


@dataclass(slots=True, frozen=True)
class Recorded:
    """An event as it stands in the log.

    Attributes:
        position: the log entry's id, ``<milliseconds>-<sequence>``.
        received: the store's clock when it was appended, in Unix milliseconds.
        body: the event's JSON object, checked when it entered.
        own: whether Upshot itself made it, together with a change of its state.
        size: bytes of its JSON.
    """

    position: str
    received: int
    body: dict[str, Any]
    own: bool = False
    size: int = 0

    @property
    def id(self) -> str:
        return self.body["id"]  # type: ignore[no-any-return]

    @property
    def name(self) -> str:
        return self.body["event"]  # type: ignore[no-any-return]

    @property
    def resource(self) -> dict[str, str]:
        return self.body["resource"]  # type: ignore[no-any-return]

    @property
    def related(self) -> list[dict[str, str]]:
        return self.body["related"]  # type: ignore[no-any-return]

    @property
    def payload(self) -> dict[str, Any]:
        return self.body["payload"]  # type: ignore[no-any-return]

    @property
    def causation(self) -> Causation:
        """The way that led here; empty for an event from outside."""
        way = self.body.get("causation")
        return Causation.model_validate(way) if way else Causation()
