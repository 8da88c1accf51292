"""Finds automations that set each other off in a circle, as their definitions tell.

what one makes → the index of what all wait for → edges → the circles through those that change
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from ..index import Index
from ..matching import LabelMatch
from .causes import FIRING, Labels, Link, Made, Wait

MOST_EDGES: Final = 5_000
"""Edges that are looked at for one automation: beyond that its circles stay unseen."""

_MOST_CIRCLES: Final = 200


@dataclass(slots=True, frozen=True)
class Cycle:
    """Automations of which each sets off the next one, and the last the first.

    Attributes:
        names: the automations, the first one not repeated.
        steps: what of each sets off the next.
    """

    names: tuple[str, ...]
    steps: tuple[Made, ...]

    @property
    def path(self) -> str:
        """The way round: ``a → b → a``."""
        return " → ".join((*self.names, self.names[0]))

    def __str__(self) -> str:
        following = (*self.names[1:], self.names[0])
        how = (
            f"{made.by} sets off '{name}'" for made, name in zip(self.steps, following, strict=True)
        )
        return f"{self.path}: {', '.join(how)}"


@dataclass(slots=True, frozen=True)
class _Waiting:
    """A thing that an automation waits for."""

    name: str
    wait: Wait


@dataclass(slots=True)
class _Search:
    """What is looked for, and how much of that may still be looked at."""

    start: str
    certain: bool
    left: int = MOST_EDGES
    edges: dict[str, dict[str, Made]] = field(default_factory=dict)


class Cycles:
    """All automations with what sets off what.

    Most only tell people: they bring about nothing but the events of firing itself. Where nobody
    waits for those, they are part of no circle, so they have an index of their own.
    """

    def __init__(self) -> None:
        self._links: dict[str, Link] = {}
        self._acting: Index[_Waiting] = Index()
        self._telling: Index[_Waiting] = Index()

    def __len__(self) -> int:
        return len(self._links)

    def get(self, name: str) -> Link | None:
        """Return what is known of an automation."""
        return self._links.get(name)

    def put(self, name: str, link: Link | None) -> None:
        """Learn of an automation, anew or for the first time; None forgets it."""
        before = self._links.pop(name, None)
        for place in range(len(before.waits) if before else 0):
            for index in (self._acting, self._telling):
                index.remove(f"{name}/{place}")
        if link is None:
            return
        self._links[name] = link
        acts = any(made.event not in FIRING for made in link.made)
        for place, wait in enumerate(link.waits):
            index = self._acting if acts else self._telling
            index.add(f"{name}/{place}", wait.interest, _Waiting(name, wait))

    def certain(self, name: str) -> Cycle | None:
        """Return a circle through an automation that certainly goes round and is not intended."""
        return self._first(name, certain=True)

    def possible(self, name: str) -> Cycle | None:
        """Return a circle through an automation that may go round and is not intended."""
        return self._first(name, certain=False)

    def _first(self, name: str, *, certain: bool) -> Cycle | None:
        if name not in self._links:
            return None
        search = _Search(name, certain)
        edges = self._reached(name, search)
        back = _leading_to(name, edges)
        if name not in back:
            return None
        for number, cycle in enumerate(_circles(name, edges, back)):
            if not self._intended(cycle):
                return cycle
            if number >= _MOST_CIRCLES:
                break
        return None

    def _intended(self, cycle: Cycle) -> bool:
        """Tell whether a circle is allowed by name, or is a rule that tries failed runs again."""
        if len(cycle.names) == 1 and cycle.steps[0].heals:
            return True
        allowed = frozenset[str]().union(*(self._links[name].allowed for name in cycle.names))
        return allowed.issuperset(cycle.names)

    def _reached(self, start: str, search: _Search) -> Mapping[str, dict[str, Made]]:
        """Return what an automation sets off, directly or by others, with what of each does."""
        left = [start]
        while left and search.left > 0:
            name = left.pop()
            found = search.edges[name] = {}
            for target, made in self._set_off(self._links[name], search):
                found.setdefault(target, made)
                if target not in search.edges:
                    left.append(target)
                    search.edges[target] = {}
        return search.edges

    def _set_off(self, link: Link, search: _Search) -> Iterator[tuple[str, Made]]:
        for made in link.made:
            if search.certain and (not made.certain or made.guarded):
                continue
            for waiting in self._candidates(made, search):
                search.left -= 1
                if search.left < 0:
                    return
                if _leads(made, waiting.wait, search.certain):
                    yield waiting.name, made

    def _candidates(self, made: Made, search: _Search) -> list[_Waiting]:
        """Return what may wait for an event: where the search began first, else who leads on."""
        firing_leads_on = any(self._is_awaited(event) for event in FIRING)
        indexes = (self._acting, self._telling) if firing_leads_on else (self._acting,)
        found = [each for index in indexes for each in _waiting(index, made, search.certain)]
        home = [each for each in found if each.name == search.start]
        others = (each for each in found if each.name != search.start)
        return [*home, *(each for each in others if self._leads_on(each.name))]

    def _leads_on(self, name: str) -> bool:
        """Tell whether anybody waits for what an automation makes."""
        return any(self._is_awaited(made.event) for made in self._links[name].made)

    def _is_awaited(self, event: str) -> bool:
        return self._acting.is_awaited(event) or self._telling.is_awaited(event)


def _waiting(index: Index[_Waiting], made: Made, certain: bool) -> list[_Waiting]:
    if not certain:
        return index.possible(made.event, made.resource, made.related)
    resource, *related = (_known(each) for each in (made.resource, *made.related))
    return index.candidates(made.event, resource, related)


def _known(labels: Labels) -> dict[str, str]:
    return {label: value for label, value in labels.items() if value is not None}


def _leads(made: Made, wait: Wait, certain: bool) -> bool:
    """Tell whether what is made sets off what waits: certainly, or for all that the text tells."""
    fits = _fits(made, wait)
    surely = made.certain and fits is True
    guarded = made.guarded or wait.guarded
    return surely and not guarded if certain else fits is not False and (surely or not guarded)


def _fits(made: Made, wait: Wait) -> bool | None:
    """Tell whether an event matches; None where that depends on what the text does not tell."""
    interest = wait.interest
    specs = [interest.match.settles(made.resource)]
    specs += [_some(spec, made.related) for spec in interest.related]
    return False if False in specs else None if None in specs else True


def _some(spec: LabelMatch, resources: Iterable[Labels]) -> bool | None:
    found = {spec.settles(each) for each in resources}
    return True if True in found else None if None in found else False


def _leading_to(start: str, edges: Mapping[str, Mapping[str, Made]]) -> set[str]:
    """Return those from which a way leads to ``start``, itself among them if it goes round."""
    sources: dict[str, list[str]] = {}
    for name, targets in edges.items():
        for target in targets:
            sources.setdefault(target, []).append(name)
    found: set[str] = set()
    left = [start]
    while left:
        for name in sources.get(left.pop(), ()):
            if name not in found:
                found.add(name)
                left.append(name)
    return found


def _circles(
    start: str, edges: Mapping[str, Mapping[str, Made]], back: set[str]
) -> Iterator[Cycle]:
    """Yield the ways from ``start`` round to it that pass nobody twice."""
    path: list[tuple[str, Iterator[tuple[str, Made]]]] = [(start, iter(edges[start].items()))]
    steps: list[Made] = []
    passed = {start}
    while path:
        target, made = next(path[-1][1], (None, None))
        if target is None or made is None:
            passed.discard(path.pop()[0])
            steps = steps[: max(len(path) - 1, 0)]
        elif target == start:
            yield Cycle(tuple(name for name, _ in path), (*steps, made))
        elif target in back and target not in passed:
            passed.add(target)
            steps.append(made)
            path.append((target, iter(edges[target].items())))
