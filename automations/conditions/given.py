"""What a test says that conditions find: runs, variables and automations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Final

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from upshot.events.durations import Offset, milliseconds
from upshot.flows.states import NAMES

from ..suggestions import did_you_mean
from .lookups import STATES, Missing, Question, of_automation, of_variable, under

_MOST: Final = 1000


def _known(state: str) -> str:
    if state not in STATES:
        raise ValueError(f"no state is called {state!r}{did_you_mean(state, STATES)}")
    return state


class _Given(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class GivenRun(_Given):
    """A run that there is.

    Attributes:
        deployment: of which deployment, ``flow/deployment``.
        flow: of which flow; that of the deployment by default.
        state: the state that it is in.
        at: when it came into that state, from the test's start.
    """

    deployment: Annotated[str, Field(max_length=256)] | None = None
    flow: Annotated[str, Field(max_length=256)] | None = None
    state: Annotated[str, AfterValidator(_known)] = "Running"
    at: Offset = timedelta(0)

    def is_of(self, selector: str) -> bool:
        """Tell whether ``runs`` means it with this selector."""
        flow = self.flow or (self.deployment or "").partition("/")[0]
        return selector in ("*", f"flow:{flow}", f"deployment:{self.deployment}")


class GivenAutomation(_Given):
    """An automation that there is.

    Attributes:
        enabled: whether it is evaluated.
        paused: whether somebody paused it.
        shadow: whether it acts on nothing.
        last_fired: when it last fired, if it did.
        firings: how often it has.
    """

    enabled: bool = True
    paused: bool = False
    shadow: bool = False
    last_fired: AwareDatetime | None = None
    firings: int = Field(default=0, ge=0)


class Given(_Given):
    """What conditions find when they look it up.

    Attributes:
        runs: the runs there are.
        variables: values by name; templates see them, too.
        automations: what is known of automations, by name.
    """

    runs: tuple[GivenRun, ...] = Field(default=(), max_length=_MOST)
    variables: dict[str, Any] = Field(default_factory=dict, max_length=_MOST)
    automations: dict[str, GivenAutomation] = Field(default_factory=dict, max_length=_MOST)


class OfGiven:
    """Answers by what a test says there is.

    Args:
        given: what there is. start: when the test begins.
    """

    def __init__(self, given: Given, start: datetime) -> None:
        self._given = given
        self._start = _ms(start)

    def __call__(self, questions: Sequence[Question], at: int) -> Mapping[Question, Any]:
        """Answer questions that are asked at a millisecond of the log."""
        return {each: self._answer(each, at) for each in questions}

    def _answer(self, asked: Question, at: int) -> Any:
        if asked.function == "runs":
            return sum(self._counts(run, asked, at) for run in self._given.runs)
        (name,) = asked.arguments
        if asked.function == "automation":
            return self._automation(name)
        found = of_variable(name, self._given.variables)
        return _missing(found.why, "variables") if isinstance(found, Missing) else found

    def _counts(self, run: GivenRun, asked: Question, at: int) -> bool:
        selector, states, since = asked.arguments
        entered = self._start + milliseconds(run.at)
        lately = entered <= at and (since is None or at - since <= entered)
        is_in = {run.state, NAMES[run.state].value} & set(under(states))
        return lately and bool(is_in) and run.is_of(selector)

    def _automation(self, name: str) -> Any:
        given = self._given.automations.get(name)
        if given is None:
            return _missing(f"no automation is called {name!r}", "automations")
        fired = None if given.last_fired is None else _ms(given.last_fired)
        return of_automation(given.model_dump(), fired, given.firings)


def _missing(why: str, where: str) -> Missing:
    return Missing(f"{why}; a test says what there is under given.{where}")


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
