"""Finds the automations that an event may concern, without trying them all.

By event name first (globs are resolved once for each name), then by the most selective label: the
exact value, of the resource or of a related one, that the fewest others had asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from .matching import name_glob
from .triggers import Interest

MAX_NAMES: Final = 10_000

T = TypeVar("T")
Labels = Mapping[str, str]
Partly = Mapping[str, str | None]  # labels, of which those that are None may be anything
Posting = tuple[str, str]  # a label and its value


@dataclass(slots=True)
class _Named(Generic[T]):
    """The entries of one name pattern: by the resource's labels, by related ones, and the rest."""

    rest: dict[str, T] = field(default_factory=dict)
    of_resource: dict[Posting, dict[str, T]] = field(default_factory=dict)
    of_related: dict[Posting, dict[str, T]] = field(default_factory=dict)
    labels: dict[str, int] = field(default_factory=dict)
    related_labels: dict[str, int] = field(default_factory=dict)

    def find(self, resource: Labels, related: Sequence[Labels], found: dict[str, T]) -> None:
        found.update(self.rest)
        if self.labels:
            _collect(self.of_resource, self.labels, resource, found)
        if self.related_labels:
            for labels in related:
                _collect(self.of_related, self.related_labels, labels, found)

    def find_possible(
        self, resource: Partly, related: Sequence[Partly], found: dict[str, T]
    ) -> None:
        found.update(self.rest)
        if self.labels:
            _collect_possible(self.of_resource, resource, found)
        if self.related_labels:
            for labels in related:
                _collect_possible(self.of_related, labels, found)

    def __bool__(self) -> bool:
        return bool(self.rest or self.labels or self.related_labels)


def _collect(
    postings: dict[Posting, dict[str, T]],
    asked: dict[str, int],
    labels: Labels,
    found: dict[str, T],
) -> None:
    for label in asked if len(asked) <= len(labels) else labels:
        value = labels.get(label)
        if value is not None and (entries := postings.get((label, value))):
            found.update(entries)


def _collect_possible(
    postings: dict[Posting, dict[str, T]], labels: Partly, found: dict[str, T]
) -> None:
    unknown = {label for label, value in labels.items() if value is None}
    for (label, value), entries in postings.items():
        if label in unknown or labels.get(label) == value:
            found.update(entries)


@dataclass(slots=True, frozen=True)
class _Choice:
    """Where an entry was put: under these label values, or with the rest where there are none."""

    related: bool
    label: str
    values: frozenset[str]


class Index(Generic[T]):
    """From an event to the entries that may concern it; never misses one, may offer too many."""

    def __init__(self) -> None:
        self._by_pattern: dict[str, _Named[T]] = {}
        self._globs: set[str] = set()
        self._placed: dict[str, list[tuple[str, _Choice | None]]] = {}
        self._resolved: dict[str, tuple[_Named[T], ...]] = {}

    def __len__(self) -> int:
        return len(self._placed)

    def add(self, key: str, interest: Interest, entry: T) -> None:
        """Put an entry under its interest; one that stood under the key before is replaced."""
        self.remove(key)
        placed = self._placed[key] = []
        for pattern in dict.fromkeys(interest.names):
            named = self._named(pattern)
            choice = _choose(named, interest)
            _put(named, choice, key, entry)
            placed.append((pattern, choice))

    def remove(self, key: str) -> None:
        """Take an entry out; one that isn't there is no error."""
        for pattern, choice in self._placed.pop(key, ()):
            named = self._by_pattern[pattern]
            _take(named, choice, key)
            if not named:
                del self._by_pattern[pattern]
                self._forget(pattern)

    def candidates(self, name: str, resource: Labels, related: Sequence[Labels]) -> list[T]:
        """Return the entries that the event may concern, in the order of their keys."""
        named = self._resolved.get(name)
        if named is None:
            named = self._resolve(name)
        if not named:
            return []
        found: dict[str, T] = {}
        for each in named:
            each.find(resource, related, found)
        if len(found) < 2:
            return list(found.values())
        return [found[key] for key in sorted(found)]

    def is_awaited(self, name: str) -> bool:
        """Tell whether any entry is interested in events of this name."""
        named = self._resolved.get(name)
        return bool(self._resolve(name) if named is None else named)

    def possible(self, name: str, resource: Partly, related: Sequence[Partly]) -> list[T]:
        """Return the entries that an event may concern of which some labels (None) are unknown."""
        found: dict[str, T] = {}
        for each in self._resolve(name):
            each.find_possible(resource, related, found)
        return [found[key] for key in sorted(found)]

    def _named(self, pattern: str) -> _Named[T]:
        if pattern not in self._by_pattern:
            self._by_pattern[pattern] = _Named()
            self._forget(pattern)
            if "*" in pattern:
                self._globs.add(pattern)
        return self._by_pattern[pattern]

    def _forget(self, pattern: str) -> None:
        """Resolve anew the names that the pattern may take."""
        self._globs.discard(pattern)
        if "*" in pattern:
            self._resolved.clear()
        else:
            self._resolved.pop(pattern, None)

    def _resolve(self, name: str) -> tuple[_Named[T], ...]:
        if len(self._resolved) >= MAX_NAMES:
            self._resolved.clear()
        exact = [self._by_pattern[name]] if name in self._by_pattern else []
        fitting = (each for each in self._globs if name_glob(each).fullmatch(name))
        matched = (self._by_pattern[each] for each in fitting)
        self._resolved[name] = named = (*exact, *matched)
        return named


def _choose(named: _Named[T], interest: Interest) -> _Choice | None:
    """Choose the label whose values the fewest entries have; ``id`` and ``name`` win ties."""
    return min(
        _choices(interest),
        key=lambda each: (_crowd(named, each), each.related, _rank(each.label), each.label),
        default=None,
    )


def _choices(interest: Interest) -> Iterator[_Choice]:
    for label, values in interest.match.exact().items():
        yield _Choice(related=False, label=label, values=values)
    for spec in interest.related:
        for label, values in spec.exact().items():
            yield _Choice(related=True, label=label, values=values)


def _crowd(named: _Named[T], choice: _Choice) -> int:
    postings = named.of_related if choice.related else named.of_resource
    return sum(1 + len(postings.get((choice.label, value), ())) for value in choice.values)


def _rank(label: str) -> int:
    return {"id": 0, "name": 1, "role": 3}.get(label, 2)


def _sides(named: _Named[T], choice: _Choice) -> tuple[dict[Posting, dict[str, T]], dict[str, int]]:
    if choice.related:
        return named.of_related, named.related_labels
    return named.of_resource, named.labels


def _put(named: _Named[T], choice: _Choice | None, key: str, entry: T) -> None:
    if choice is None:
        named.rest[key] = entry
        return
    postings, labels = _sides(named, choice)
    labels[choice.label] = labels.get(choice.label, 0) + 1
    for value in choice.values:
        postings.setdefault((choice.label, value), {})[key] = entry


def _take(named: _Named[T], choice: _Choice | None, key: str) -> None:
    if choice is None:
        del named.rest[key]
        return
    postings, labels = _sides(named, choice)
    labels[choice.label] -= 1
    if not labels[choice.label]:
        del labels[choice.label]
    for value in choice.values:
        entries = postings[choice.label, value]
        del entries[key]
        if not entries:
            del postings[choice.label, value]
