"""An entry of the actions stream: what a firing wants done, and how far that has come."""

from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

from upshot.events.event import Causation
from upshot.events.ids import derived_id


class Way(Causation):
    """A causation without what events of this version would not have."""

    model_config = ConfigDict(extra="ignore")


class AutomationRef(BaseModel):
    """The automation that fired, at the version that decided."""

    model_config = ConfigDict(extra="allow", frozen=True)

    id: str
    name: str
    version: int


class Entry(BaseModel):
    """A firing and what is left to do of it; the engine writes it, later tries carry it on.

    Attributes:
        bucket: which ``for_each`` bucket fired, and ``labels`` its values.
        at: log time of the firing, Unix ms. received: log time of the event that fired it.
        cause: id of that event.
        events: the contributing events, oldest first; the last one fired it.
        positions: where those stand in the log. value: what was measured, if anything was.
        branch, batch, incident: what control made of the firing.
        replaces: ids of the firings that are stopped for it.
        stoppable: whether a later firing may stop this one.
        actions: as in the definition, each a mapping of its type to its fields.
        causation: the way that leads to what these actions do.
        next: index of the next action. attempt: how often that one was tried already.
        n: how often the entry was given out again. replays: how often it left the dead letters.
        done: parts of the next action that need no further try.
        waited: ms from ``received`` to the first try of the first action, once that was.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    firing: str = Field(min_length=1)
    automation: AutomationRef
    bucket: dict[str, str] | list[str] | str
    labels: dict[str, str] = Field(default_factory=dict)
    positions: tuple[str, ...] = ()
    value: float | None = None
    branch: str = "actions"
    batch: int = 1
    incident: dict[str, Any] | None = None
    replaces: tuple[str, ...] = ()
    stoppable: bool = False
    reason: str
    at: int
    received: int
    cause: str | None
    events: list[dict[str, Any]]
    actions: list[dict[str, Any]] = Field(min_length=1)
    causation: Way
    next: int = Field(default=0, ge=0)
    attempt: int = Field(default=0, ge=0)
    n: int = Field(default=0, ge=0)
    replays: int = Field(default=0, ge=0)
    done: tuple[str, ...] = ()
    waited: int | None = None

    @property
    def began_before(self) -> bool:
        """Whether somebody may already have settled actions of it."""
        return bool(self.n or self.attempt or self.next or self.replays)

    def triggered(self, index: int) -> str:
        """Return the id of the event that announced the action."""
        return derived_id("triggered", self.firing, str(index))

    def key(self, index: int) -> str:
        """Return the idempotency key, the same for every try of this action."""
        return f"{self.firing}:{index}"

    def type_of(self, index: int) -> str:
        """Return the action's type as it is written, valid or not."""
        return next(iter(self.actions[index]), "")[:64]

    def goes_on_after(self, index: int) -> bool:
        """Tell whether the actions after this one are done when it fails."""
        fields = next(iter(self.actions[index].values()), None)
        return not (isinstance(fields, dict) and fields.get("on_error") == "stop")

    def rest_after(self, index: int) -> Self | None:
        """Return the entry of the actions that go on when this one failed, if any do."""
        more = index + 1 < len(self.actions) and self.goes_on_after(index)
        return self.at_action(index + 1) if more else None

    def at_action(self, index: int, attempt: int = 0, **changes: Any) -> Self:
        """Return the entry as it goes on later, with this action next."""
        moved = {"next": index, "attempt": attempt, "n": 0, "done": ()}
        return self.model_copy(update={**moved, **changes})

    def to_json(self) -> bytes:
        return self.__pydantic_serializer__.to_json(self)

    def summary(self) -> dict[str, Any]:
        """Return the firing as templates and the default webhook body see it."""
        return {
            "id": self.firing,
            "automation": self.automation.name,
            "automation_id": self.automation.id,
            "version": self.automation.version,
            "bucket": self.bucket,
            "labels": self.labels,
            "reason": self.reason,
            "positions": list(self.positions),
            "at": self.at,
            "value": self.value,
            "shadow": False,
            "branch": self.branch,
            "batch": self.batch,
            "incident": self.incident,
        }


def parse_entry(body: bytes) -> Entry:
    """Check an entry; a pydantic ValidationError names each field that is wrong.

    What another version of Upshot wrote besides is no fault, and stays with the entry.
    """
    entry = Entry.model_validate_json(body)
    if entry.next >= len(entry.actions):
        return entry.model_copy(update={"next": len(entry.actions)})
    return entry
