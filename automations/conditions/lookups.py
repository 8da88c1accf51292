"""The look-ups of conditions: what they may ask, and how a question is put and told.

``runs('deployment:a', state='Running')`` → Question("runs", ("deployment:a", ("Running",), None))
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from pydantic_core import to_json

from upshot.events.durations import format_duration, milliseconds, parse_duration
from upshot.flows.states import NAMES, StateType

from ..exceptions import ExpressionFailed
from ..expressions.keywords import Signature
from ..suggestions import did_you_mean

SIGNATURES: Final[Mapping[str, Signature]] = {
    "runs": Signature(("selector", "state", "since")),
    "variable": Signature(("name", "default")),
    "automation": Signature(("name",)),
}
"""The look-ups there are, with their arguments."""

OF: Final = ("deployment", "flow")
"""What ``runs`` may be chosen by."""

STATES: Final = frozenset(NAMES) | frozenset(each.value for each in StateType)
LONGEST_NAME: Final = 256
LARGEST_ANSWER: Final = 32 * 1024
"""Bytes of a variable's JSON that a condition may look at."""


@dataclass(slots=True, frozen=True)
class Question:
    """A look-up that a condition asks for.

    Attributes:
        function: its name.
        arguments: what is asked. For ``runs``: the selector, the states, and since how many
            milliseconds they are in them, each None for any; else the name.
    """

    function: str
    arguments: tuple[Any, ...] = ()

    def __str__(self) -> str:
        """Write the question as a condition does."""
        name, *more = self.arguments
        told = [f"'{name}'"]
        if self.function == "runs":
            states, since = more
            told += [f"state={_told(states)}"] if states else []
            told += [f"since='{format_duration(timedelta(milliseconds=since))}'"] if since else []
        return f"{self.function}({', '.join(told)})"


def _told(states: tuple[str, ...]) -> str:
    quoted = [f"'{state}'" for state in states]
    return quoted[0] if len(quoted) == 1 else f"[{', '.join(quoted)}]"


@dataclass(slots=True, frozen=True)
class Unanswerable:
    """An answer that there is none, and why."""

    why: str


class Missing(Unanswerable):
    """What is asked for is not there; where a default is given, that stands for it."""


def question(function: str, arguments: tuple[Any, ...]) -> Question:
    """Return what a look-up called with these arguments, in order, asks.

    Raises:
        ExpressionFailed: an argument is wrong.
    """
    return _ASKING[function](*arguments)


def _runs(selector: Any, state: Any = None, since: Any = None) -> Question:
    kind, colon, name = _name("runs", "selector", selector).partition(":")
    if selector != "*" and (kind not in OF or not colon or not name):
        raise ExpressionFailed(
            f"runs: the selector is 'deployment:NAME', 'flow:NAME' or '*', not {selector!r}"
            f"{did_you_mean(kind, frozenset(OF)) if kind not in OF else ''}"
        )
    return Question("runs", (selector, _states(state), _since(since)))


def _states(state: Any) -> tuple[str, ...] | None:
    if state is None:
        return None
    asked = state if isinstance(state, list) else [state]
    for each in asked:
        if not isinstance(each, str) or each not in STATES:
            hint = did_you_mean(each, STATES) if isinstance(each, str) else ""
            raise ExpressionFailed(f"runs: no state is called {each!r}{hint}"[:300])
    return tuple(sorted(set(asked)))


def _since(since: Any) -> int | None:
    if since is None:
        return None
    try:
        return milliseconds(parse_duration(since))
    except ValueError as error:
        raise ExpressionFailed(f"runs: since: {error}") from error


def _variable(name: Any, *default: Any) -> Question:
    return Question("variable", (_name("variable", "name", name),))


def _automation(name: Any) -> Question:
    return Question("automation", (_name("automation", "name", name),))


_ASKING: Final[Mapping[str, Callable[..., Question]]] = {
    "runs": _runs,
    "variable": _variable,
    "automation": _automation,
}


def _name(function: str, argument: str, value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_NAME:
        told = f"text of up to {LONGEST_NAME} characters"
        raise ExpressionFailed(f"{function}: '{argument}' is {told}, not {value!r}"[:300])
    return value


def of_variable(name: str, known: Mapping[str, Any]) -> Any:
    """Return what ``variable`` finds among these values; one that is too large is no answer."""
    if name not in known:
        return Missing(f"no variable is called {name!r}{did_you_mean(name, known.keys())}")
    if len(to_json(known[name])) > LARGEST_ANSWER:
        most = f"{LARGEST_ANSWER // 1024} KB"
        return Unanswerable(f"the variable {name!r} has more than {most}: too much for a condition")
    return known[name]


def of_automation(definition: Mapping[str, Any], last_fired: int | None, firings: int) -> Any:
    """Return what ``automation`` tells of one.

    Args:
        definition: as it is stored. last_fired: when it last fired, in Unix ms; None for never.
        firings: how often it has.
    """
    return {
        "enabled": bool(definition.get("enabled", True)),
        "paused": bool(definition.get("paused")),
        "shadow": bool(definition.get("shadow")),
        "last_fired": last_fired,
        "firings": firings,
    }


def under(states: tuple[str, ...] | None) -> list[str]:
    """Return the states under which runs are counted, each run under one of them at most.

    A state's name is left out where its type is asked for as well, which it counts under, too.
    """
    asked = states or tuple(each.value for each in StateType)
    return [name for name in asked if name == NAMES[name].value or NAMES[name].value not in asked]
