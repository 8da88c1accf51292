"""Matches labels: ``*`` globs, ``!`` negates, a list is an OR, the labels of one spec are ANDed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Final

from pydantic import Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

MAX_VALUES: Final = 1000


@lru_cache(maxsize=4096)
def glob(pattern: str) -> re.Pattern[str]:
    """Compile a glob whose ``*`` stands for any run of characters, also for none."""
    head, *rest = (re.escape(part) for part in re.split(r"\*+", pattern))
    if not rest:
        return re.compile(head)
    # The first place where a middle part fits is as good as any: atomic groups don't go back.
    middle = "".join(f"(?>.*?{part})" for part in rest[:-1])
    return re.compile(f"{head}{middle}.*{rest[-1]}", re.DOTALL)


OWN: Final = ("automation.", "action.")
"""How the names of the events begin by which automations tell of themselves."""


@lru_cache(maxsize=4096)
def name_glob(pattern: str) -> re.Pattern[str]:
    """Compile a glob of event names; one that begins with ``*`` leaves out ``OWN``.

    What automations tell of themselves has to be named: each of them that waits for ``*`` would
    otherwise be set off by all the others, and by itself.
    """
    if not pattern.startswith("*"):
        return glob(pattern)
    own = "|".join(map(re.escape, OWN))
    return re.compile(f"(?!{own}){glob(pattern).pattern}", re.DOTALL)


def unexpected(name: str, names: Sequence[str]) -> str:
    """Return an event's name, and why it is left out where one of these globs seems to fit."""
    globs = (each for each in names if each.startswith("*"))
    if name.startswith(OWN) and any(glob(each).fullmatch(name) for each in globs):
        kind = name.partition(".")[0]
        return f"{name}: {kind}.* has to be named; a glob that begins with * leaves it out"
    return name


@dataclass(slots=True, frozen=True)
class Mismatch:
    """The first label that did not match.

    Attributes:
        label: its name.
        expected: the values asked for, as written.
        actual: the value found, or None where the label is missing.
    """

    label: str
    expected: tuple[str, ...]
    actual: str | None

    def __str__(self) -> str:
        wanted = " or ".join(repr(value) for value in self.expected)
        found = "missing" if self.actual is None else repr(self.actual)
        return f"{self.label} {wanted}: actual {found}"


class _Label:
    """What one label has to be: any of the positive values, and none of the negated ones."""

    __slots__ = ("exact", "expected", "globs", "name", "refused", "refused_globs")

    def __init__(self, name: str, expected: tuple[str, ...]) -> None:
        self.name, self.expected = name, expected
        positive = [value for value in expected if not value.startswith("!")]
        negated = [value[1:] for value in expected if value.startswith("!")]
        self.exact, self.globs = _compile(positive)
        self.refused, self.refused_globs = _compile(negated)

    def matches(self, actual: str | None) -> bool:
        if actual is None:
            return not (self.exact or self.globs)
        if (self.exact or self.globs) and not _any(actual, self.exact, self.globs):
            return False
        return not _any(actual, self.refused, self.refused_globs)


def _compile(values: list[str]) -> tuple[frozenset[str], tuple[re.Pattern[str], ...]]:
    exact = frozenset(value for value in values if "*" not in value)
    return exact, tuple(glob(value) for value in values if "*" in value)


def _any(actual: str, exact: frozenset[str], globs: tuple[re.Pattern[str], ...]) -> bool:
    return actual in exact or any(pattern.fullmatch(actual) for pattern in globs)


class LabelMatch:
    """Labels that a resource must have; an empty one is satisfied by any resource.

    A missing label fails, unless everything asked of it is a negation.

    Args:
        labels: a value, or several of which one must match, by label.

    Raises:
        ValueError: a value is no text, or a list is empty.
    """

    __slots__ = ("_labels",)

    def __init__(self, labels: dict[str, str | list[str]]) -> None:
        self._labels = tuple(_Label(name, _values(name, value)) for name, value in labels.items())

    def mismatch(self, resource: dict[str, str]) -> Mismatch | None:
        """Return the first label of ``resource`` that does not match, or None if all do."""
        for label in self._labels:
            actual = resource.get(label.name)
            if not label.matches(actual):
                return Mismatch(label.name, label.expected, actual)
        return None

    def settles(self, labels: Mapping[str, str | None]) -> bool | None:
        """Tell whether a resource matches of which some labels, here None, are not known.

        Returns:
            None where it depends on those.
        """
        open_ones = False
        for label in self._labels:
            if label.name in labels and labels[label.name] is None:
                open_ones = True
            elif not label.matches(labels.get(label.name)):
                return False
        return None if open_ones else True

    def mismatch_among(self, resources: Sequence[dict[str, str]]) -> Mismatch | None:
        """Return None if one of ``resources`` matches, else why the nearest of them does not."""
        nearest, best = Mismatch("related", ("a resource",), None), -1
        for resource in resources:
            failed = [
                label for label in self._labels if not label.matches(resource.get(label.name))
            ]
            if not failed:
                return None
            if (passed := len(self._labels) - len(failed)) > best:
                label = failed[0]
                nearest = Mismatch(label.name, label.expected, resource.get(label.name))
                best = passed
        return nearest if self._labels else None

    def compared(self, resource: dict[str, str]) -> list[tuple[Mismatch, bool]]:
        """Return each label as asked for and found, and whether it matches."""
        found = ((label, resource.get(label.name)) for label in self._labels)
        return [
            (Mismatch(label.name, label.expected, actual), label.matches(actual))
            for label, actual in found
        ]

    def exact(self) -> dict[str, frozenset[str]]:
        """Return the labels that only exact values satisfy, for an index."""
        return {
            label.name: label.exact for label in self._labels if label.exact and not label.globs
        }

    def __bool__(self) -> bool:
        return bool(self._labels)

    def as_dict(self) -> dict[str, str | list[str]]:
        """Return the labels as a definition writes them."""
        return {
            label.name: label.expected[0] if len(label.expected) == 1 else list(label.expected)
            for label in self._labels
        }

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LabelMatch) and self.as_dict() == other.as_dict()

    def __hash__(self) -> int:
        return hash(tuple((label.name, label.expected) for label in self._labels))

    def __repr__(self) -> str:
        return f"LabelMatch({self.as_dict()!r})"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            _validated,
            json_schema_input_schema=handler.generate_schema(dict[str, str | list[str]]),
            serialization=core_schema.plain_serializer_function_ser_schema(cls.as_dict),
        )


def _validated(value: object) -> LabelMatch:
    if isinstance(value, LabelMatch):
        return value
    if not isinstance(value, dict):
        raise ValueError("a mapping of labels to values is expected")
    return LabelMatch(value)


def _values(name: object, value: object) -> tuple[str, ...]:
    if not isinstance(name, str):
        raise ValueError(f"label {name!r}: a label's name is text")
    values = value if isinstance(value, list | tuple) else [value]
    if not 0 < len(values) <= MAX_VALUES:
        raise ValueError(f"label '{name}': 1 to {MAX_VALUES} values are expected")
    for item in values:
        if not isinstance(item, str):
            raise ValueError(f"label '{name}': {item!r} is no text; put it in quotes")
    return tuple(str(item) for item in values)


Matches = Annotated[tuple[LabelMatch, ...], Field(max_length=32)]
"""Several specs, each of which some resource must satisfy."""
