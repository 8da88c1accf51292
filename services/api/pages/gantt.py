"""A run's timeline: where on it each bar begins and ends, decided from times; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from .rendering import duration, seconds_between, tone

WIDTH: Final = 1000
"""Units of a timeline from its begin to its end."""

_LEAST: Final = 3
"""Units of the shortest bar, so that it is seen."""

_WORST: Final = ("bad", "busy", "wait", "dim", "good")


@dataclass(frozen=True, slots=True)
class Bar:
    """A line of a timeline.

    Attributes:
        label: of what. note: how it is, in words. tone: the class of its colour.
        x, width: where it begins and how long it is, in units; None where it has not begun.
        took: as people read it. runs: how many it sums up.
    """

    label: str
    note: str
    tone: str
    x: int | None
    width: int
    took: str
    runs: int = 1


@dataclass(frozen=True, slots=True)
class Scale:
    """What a timeline covers.

    Attributes:
        start, end: ISO 8601.
    """

    start: str
    end: str

    @property
    def length(self) -> float:
        return max(seconds_between(self.start, self.end) or 0.0, 0.001)

    @property
    def ticks(self) -> list[str]:
        """Its quarters as people read them."""
        return [duration(self.length * quarter / 4) for quarter in range(5)]

    def span(self, start: str | None, end: str | None) -> tuple[int | None, int]:
        """Return where a bar begins and how long it is; one that goes on reaches to the end."""
        began = seconds_between(self.start, start)
        if began is None:
            return None, 0
        ended = seconds_between(self.start, end or self.end) or 0.0
        x = min(max(0, round(began / self.length * WIDTH)), WIDTH - _LEAST)
        return x, max(_LEAST, min(WIDTH, round(ended / self.length * WIDTH)) - x)


def scale(run: Mapping[str, Any], tasks: Sequence[Mapping[str, Any]], now: str) -> Scale:
    """Return what the timeline of a run covers: from its creation to its end, or to now."""
    begun = min([run["created"], *(each["created"] for each in tasks)])
    return Scale(begun, run["ended"] or now)


def task_bars(over: Scale, sums: Iterable[Mapping[str, Any]]) -> list[Bar]:
    """Return a bar for each task: it begins with its first run and ends with its last."""
    return [_task_bar(over, each) for each in sums]


def _task_bar(over: Scale, task: Mapping[str, Any]) -> Bar:
    states, took = task["states"], seconds_between(task["started"], task["ended"], over.end)
    told = ", ".join(f"{n:,} {name}" for name, n in states.items())
    x, width = over.span(task["started"], task["ended"])
    note = told if task["runs"] > 1 else next(iter(states))
    return Bar(task["task"], note, worst(states), x, width, duration(took), task["runs"])


def worst(states: Iterable[str]) -> str:
    """Return the class of the colour that several states have together."""
    return min(map(tone, states), key=_WORST.index)


def run_bars(over: Scale, task_runs: Iterable[Mapping[str, Any]]) -> list[Bar]:
    """Return a bar for each task run."""
    return [_run_bar(over, each) for each in task_runs]


def _run_bar(over: Scale, each: Mapping[str, Any]) -> Bar:
    state = each["state"]
    note = f"{state['name']}: {state['message']}" if state["message"] else state["name"]
    x, width = over.span(each["started"], each["ended"])
    took = duration(seconds_between(each["started"], each["ended"], over.end))
    return Bar(each["name"], note, tone(state["name"]), x, width, took)
