"""What a run ends as whose open transactions are undone before, as the run's record has it."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from pydantic_core import from_json, to_json


@dataclass(frozen=True, slots=True)
class Undo:
    """What a run ends as once its open transactions are undone.

    Attributes:
        name, message: of its last state. deaths: of processes that were to undo it.
    """

    name: str
    message: str
    deaths: int = 0

    def to_json(self) -> bytes:
        return to_json(asdict(self))

    @classmethod
    def from_json(cls, body: bytes) -> Undo:
        return cls(**from_json(body))
