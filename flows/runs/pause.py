"""What a paused run waits for, as the run's record has it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from pydantic_core import from_json, to_json

MAX_KEY: Final = 200
ANSWER: Final = "input:"
"""Before the key of a pause, the field of a run that has what the pause was answered with."""


@dataclass(frozen=True, slots=True)
class Pause:
    """What a run waits for that was paused by its own code.

    Attributes:
        key: names the pause within its run; one that was answered does not happen again.
        description: for the person who is asked.
        schema: JSON schema of the input that is asked for; None where none is.
        until: Unix ms at which the waiting ends; None waits for ever.
        awaits: which event it waits for, where it is one; see ``waiting.py``.
        since: log position after which that event counts.
    """

    key: str
    description: str = ""
    schema: dict[str, Any] | None = None
    until: int | None = None
    awaits: dict[str, Any] | None = None
    since: str | None = None

    def to_json(self) -> bytes:
        return to_json(self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """Return it as records and JSON answers show it."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_json(cls, body: bytes) -> Pause:
        return cls(**from_json(body))
