"""What is told of an import: a line for each thing that has no equal here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Note:
    """One thing that is not, or not quite, as it was.

    Attributes:
        field: where it stood in the original.
        message: what became of it.
        weakens: whether the automation would act more, less or otherwise than before: then it is
            written disabled, until somebody has looked at it.
    """

    field: str
    message: str
    weakens: bool = False

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


class Notes:
    """Collects notes, each at the place that is being read."""

    def __init__(self) -> None:
        self.all: list[Note] = []
        self._place: tuple[str, ...] = ()

    @contextmanager
    def at(self, *place: str | int) -> Iterator[None]:
        """Go down to a field for as long as the block lasts."""
        before, self._place = self._place, (*self._place, *map(str, place))
        try:
            yield
        finally:
            self._place = before

    def add(self, message: str, *place: str | int, weakens: bool = False) -> None:
        """Note something about the field below the present place."""
        where = ".".join((*self._place, *map(str, place))) or "automation"
        note = Note(where, message, weakens)
        if note not in self.all:
            self.all.append(note)


@dataclass(frozen=True, slots=True)
class Imported:
    """An automation that was brought over.

    Attributes:
        name: as it was called.
        definition: as a file has it; None where too much of it has no equal.
        notes: what is not as it was.
    """

    name: str
    definition: dict[str, Any] | None
    notes: list[Note] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "definition": self.definition,
            "notes": [{"field": each.field, "message": each.message} for each in self.notes],
        }
