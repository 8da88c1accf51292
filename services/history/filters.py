"""Which events a list shows, as a check of one event and as a condition of a query."""

from __future__ import annotations

import fnmatch
import re
from dataclasses import dataclass
from typing import Final

from pydantic_core import to_json

from upshot.events.event import Recorded

_GLOB: Final = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events are wanted.

    Attributes:
        names, resources: what was asked for, names or globs; empty for any.
        event, resource: pattern of the name, and of the resource's id; None for any.
        needle: bytes that the JSON of a wanted event has for sure.
    """

    names: tuple[str, ...]
    resources: tuple[str, ...]
    event: re.Pattern[str] | None
    resource: re.Pattern[str] | None
    needle: bytes

    @classmethod
    def of(cls, event: str | None, resource: str | None) -> EventFilter:
        """Make a filter of names that may be globs; several are separated by commas."""
        names, resources = _split(event), _split(resource)
        literal = next((each[0] for each in (resources, names) if _is_literal(each)), None)
        needle = to_json(literal) if literal else b""
        return cls(names, resources, _pattern(names), _pattern(resources), needle)

    def matches(self, event: Recorded) -> bool:
        return (self.event is None or self.event.fullmatch(event.name) is not None) and (
            self.resource is None or self.resource.fullmatch(event.resource["id"]) is not None
        )


def _split(names: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in names.split(",")) if names else ()


def _is_literal(names: tuple[str, ...]) -> bool:
    return len(names) == 1 and prefix(names[0]) is None


def prefix(name: str) -> str | None:
    """Return how names that a glob matches begin; None for a name that is no glob."""
    found = _GLOB.search(name)
    return None if found is None else name[: found.start()]


def _pattern(names: tuple[str, ...]) -> re.Pattern[str] | None:
    return re.compile("|".join(map(fnmatch.translate, names))) if names else None
