"""What a benchmark is, and what it finds: figures, each next to the bare one of the same run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

Verdict = Literal["met", "missed", ""]

_DECIMALS: Final = {"s": 2, "ms": 2, "µs": 1, "MB": 1, "% of a core": 2}


@dataclass(frozen=True, slots=True)
class Bare:
    """What the same machine does in the same run without Upshot.

    Attributes:
        what: the bare probe. value: its figure, in the unit of the figure next to it.
    """

    what: str
    value: float


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table.

    Attributes:
        what: what was measured. value: the median of the runs. unit: of it.
        goal: what it should reach; ``at_most`` tells that less is better.
        bare: the bare figure; with ``of_bare`` the goal is a share of that one.
        detail: what helps to read the figure.
    """

    what: str
    value: float
    unit: str
    goal: float | None = None
    at_most: bool = False
    bare: Bare | None = None
    of_bare: bool = False
    detail: str = ""

    @property
    def ratio(self) -> float | None:
        """The figure as a multiple of the bare one."""
        return self.value / self.bare.value if self.bare and self.bare.value else None

    @property
    def verdict(self) -> Verdict:
        """Whether the goal is met; nothing where there is none."""
        judged = self.ratio if self.of_bare else self.value
        if self.goal is None or judged is None:
            return ""
        met = judged <= self.goal if self.at_most else judged >= self.goal
        return "met" if met else "missed"

    def shown(self) -> str:
        return number(self.value, self.unit)

    def goal_shown(self) -> str:
        if self.goal is None:
            return ""
        sign = "≤" if self.at_most else "≥"
        return f"{sign} {self.goal:.0%}" if self.of_bare else f"{sign} {_goal(self)}"

    def bare_shown(self) -> str:
        return f"{number(self.bare.value, self.unit)} ({self.bare.what})" if self.bare else ""

    def ratio_shown(self) -> str:
        ratio = self.ratio
        return "" if ratio is None else f"{ratio:.0%}" if ratio < 10 else f"{ratio:.0f} times"


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One benchmark: its name, what it measures, its goal, and what runs it.

    Attributes:
        run: measures; told whether to be quick, at the price of figures that vary more.
    """

    name: str
    measures: str
    goal: str
    run: Callable[[bool], list[Figure]]


def number(value: float, unit: str) -> str:
    """Return a figure for people: ``41,300 events/s``, ``2.71 ms``."""
    return f"{value:,.{_DECIMALS.get(unit, 0)}f} {unit}"


def _goal(figure: Figure) -> str:
    return f"{figure.goal:,g} {figure.unit}" if figure.goal is not None else ""
