"""Definitions as the store keeps them: each with its version, and the versions before it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json

from .planning import Doc


@dataclass(frozen=True, slots=True)
class Version:
    """A version that a definition has or had.

    Attributes:
        version: counts from 1, also over deletions.
        at: when it came, Unix ms.
        event: body of the event that told of it.
    """

    version: int
    at: int
    event: Mapping[str, Any]

    @property
    def definition(self) -> Doc | None:
        """The definition; None where it may hold secrets, and for a deletion."""
        return self.event.get("payload", {}).get("definition")  # type: ignore[no-any-return]

    def to_dict(self) -> dict[str, Any]:
        payload = self.event.get("payload", {})
        return {
            "version": self.version,
            "at": self.at,
            "change": str(self.event.get("event", "")).rpartition(".")[2],
            "fields": payload.get("fields", []),
            "definition": self.definition,
            "event": self.event.get("id"),
        }


def parse_version(value: bytes) -> Version:
    """Read a version as the store keeps it: ``<version> <ms> <event>``."""
    version, at, event = value.split(b" ", 2)
    return Version(int(version), int(at), from_json(event) if event else {})


def parse_definition(value: bytes) -> tuple[int, Doc]:
    """Read a definition as the store keeps it: ``<version> <definition>``."""
    version, _, body = value.partition(b" ")
    return int(version), from_json(body)


def definition_in(value: bytes | None) -> Doc:
    """Return the definition that the store has; an empty one where it has none."""
    return {} if value is None else parse_definition(value)[1]
