"""Answers what conditions ask: in one call, from what the store counts and keeps.

questions → commands → one pipeline → an answer for each, or why there is none
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from upshot.automations.conditions.lookups import (
    Missing,
    Question,
    Unanswerable,
    of_automation,
    of_variable,
    under,
)
from upshot.events.ids import derived_id
from upshot.events.keys import Keys
from upshot.events.store import Commands, Store
from upshot.flows.states import StateType
from upshot.services.definitions.versions import definition_in

_TYPES: Final = frozenset(each.value for each in StateType)
_ALL: Final = "*"


@dataclass(slots=True, frozen=True)
class _Asking:
    """What is sent to the store for a question, and what its replies say."""

    commands: Commands
    read: Callable[[Sequence[Any]], Any]


class Lookups:
    """Looks things up for conditions, each once for all events that were read together.

    Whatever brought about an event happened before it was read, and so before the first of them
    asked: an answer is never older than what it is asked about.

    Args:
        store: what is asked.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[tuple[Question, int | None], Any] = {}

    def forget(self) -> None:
        """Ask anew from now on."""
        self._known.clear()

    async def answer(self, questions: Iterable[Question], at: int) -> dict[Question, Any]:
        """Return an answer to each question, as of now.

        Args:
            questions: what conditions ask. at: from when ``since`` counts back, in Unix ms.

        Raises:
            RetryableEventsError: the store can't be asked at the moment.
        """
        places = {each: _place(each, at) for each in questions}
        await self._ask([each for each in places if places[each] not in self._known], at)
        return {question: self._known[place] for question, place in places.items()}

    async def _ask(self, questions: Sequence[Question], at: int) -> None:
        asking = {each: _of(each, self._store.keys, at) for each in questions}
        commands = [command for each in asking.values() for command in each.commands]
        replies = iter(await self._store.pipeline(commands) if commands else ())
        for question, each in asking.items():
            found = each.read([next(replies) for _ in each.commands])
            self._known[_place(question, at)] = found


def _place(question: Question, at: int) -> tuple[Question, int | None]:
    """Return what an answer is known under: with the moment, where it counts back from that."""
    counts_back = question.function == "runs" and question.arguments[2] is not None
    return question, at if counts_back else None


def _of(question: Question, keys: Keys, at: int) -> _Asking:
    return _KINDS[question.function](question, keys, at)


def _runs(question: Question, keys: Keys, at: int) -> _Asking:
    selector, states, since = question.arguments
    names = under(states)
    if selector == _ALL and (closer := [name for name in names if name not in _TYPES]):
        why = f"of all runs only types of states are counted, and {closer[0]!r} is none"
        return _Asking([], lambda _: Unanswerable(why))
    counted = (keys("runs", name, *(() if selector == _ALL else (selector,))) for name in names)
    if since is None:
        return _Asking([("ZCARD", key) for key in counted], sum)
    return _Asking([("ZCOUNT", key, at - since, "+inf") for key in counted], sum)


def _variable(question: Question, keys: Keys, at: int) -> _Asking:
    (name,) = question.arguments

    def read(replies: Sequence[Any]) -> Any:
        known = {} if replies[0] is None else {name: definition_in(replies[0]).get("value")}
        return of_variable(name, known)

    return _Asking([("HGET", keys("docs", "variable"), name)], read)


def _automation(question: Question, keys: Keys, at: int) -> _Asking:
    (name,) = question.arguments
    identity = derived_id("automation", name)

    def read(replies: Sequence[Any]) -> Any:
        stored, (last, count) = replies
        if stored is None:
            return Missing(f"no automation is called {name!r}")
        return of_automation(definition_in(stored), last and int(last), int(count or 0))

    return _Asking(
        [
            ("HGET", keys("docs", "automation"), name),
            ("HMGET", keys("engine", "fired"), identity, f"{identity}:n"),
        ],
        read,
    )


_KINDS: Final[Mapping[str, Callable[[Question, Keys, int], _Asking]]] = {
    "runs": _runs,
    "variable": _variable,
    "automation": _automation,
}
