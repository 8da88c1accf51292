"""Conditions: what must hold when an automation is about to fire; others answer their look-ups.

expressions + scope + the answers so far → Judged: whether they hold, with which values, or what has
to be answered first; then they are judged anew
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pydantic_core import from_json, to_json

from ..exceptions import ExpressionFailed, InvalidExpression
from ..expressions.cost import Sizes
from ..expressions.expression import Expression, Scope
from ..expressions.narrowing import narrowed
from .lookups import SIGNATURES, Missing, Question, Unanswerable, question

if TYPE_CHECKING:
    import cel

__all__ = ["Answers", "ConditionExpression", "Judged", "Question", "judge"]

Answers = Mapping[Question, Any]
"""What look-ups found."""

MOST_QUESTIONS: Final = 32
"""Look-ups that all conditions of an automation may need together."""

_LONGEST_TOLD: Final = 1000
_FOREIGN: Final = "answers"


@dataclass(slots=True, frozen=True)
class Judged:
    """How conditions came out.

    Attributes:
        holds: whether all of them hold; None where one failed or an answer is missing.
        values: each condition that was come to: ``expression``, ``holds`` and ``lookups``.
        missing: what has to be answered first.
        error: why one could not be evaluated, for people; empty where all could.
    """

    holds: bool | None
    values: list[dict[str, Any]]
    missing: tuple[Question, ...] = ()
    error: str = ""


class ConditionExpression(Expression):
    """A condition of an automation: it sees the event and the firing that it is about.

    Raises:
        InvalidExpression: as other expressions, or a look-up that is written out asks for nothing
            that there could be.
    """

    __slots__ = ()
    variables = frozenset({"event", "events", "firing", "automation"})
    lookups = SIGNATURES

    def __init__(self, source: str) -> None:
        super().__init__(source)
        for call in self.calls:
            _check_written(call)


def judge(expressions: Sequence[ConditionExpression], scope: Scope, answers: Answers) -> Judged:
    """Tell whether all conditions hold; the first one that doesn't ends it.

    Args:
        expressions: the conditions, in order.
        scope: what they see; a variable may be a question, which is asked where one reads it.
        answers: what their look-ups found so far.
    """
    paths = frozenset(path for each in expressions for path in each.paths)
    asking = _Asking(scope.variables, answers, paths)
    values: list[dict[str, Any]] = []
    for expression in expressions:
        holds, error = asking.evaluate(expression)
        values.append({"expression": expression.source, "holds": holds, "lookups": asking.told()})
        if holds is False:
            return Judged(False, values)
        if error and not asking.missing:
            return Judged(None, values, error=f"{expression.source}: {error}")
    return Judged(None if asking.missing else True, values, tuple(asking.missing))


class _Asking(Scope):
    """A scope whose functions are look-ups: they find an answer, or note that it is missing.

    Evaluation then goes on with null, and what comes of it counts for nothing: an error raised in
    a function would be logged each time, and end the search for what else is missing.
    """

    __slots__ = ("_answers", "_asked", "_guessed", "_open", "_wrong", "missing")

    def __init__(
        self, variables: dict[str, Any], answers: Answers, paths: frozenset[tuple[str, ...]]
    ) -> None:
        self.missing: dict[Question, None] = {}
        self._answers = answers
        self._asked: dict[Question, Any] = {}
        self._wrong: list[str] = []
        self._guessed = False
        reads = {path[0] for path in paths}
        read = {name: each for name, each in variables.items() if name in reads}
        asked = {name: each for name, each in read.items() if isinstance(each, Question)}
        found = {name: self._answer(each) for name, each in asked.items()}
        super().__init__(narrowed({**read, **found}, paths))
        self._open = {name for name, each in asked.items() if each in self.missing}

    @property
    def context(self) -> cel.Context:
        if self._context is None:
            for name in SIGNATURES:
                super().context.add_function(name, self._looking_up(name))
        return super().context

    @property
    def sizes(self) -> Sizes:
        """How large the values are, answers among them."""
        if self._sizes is None:
            self._sizes = Sizes({**self.variables, _FOREIGN: list(self._answers.values())})
        return self._sizes

    def evaluate(self, expression: ConditionExpression) -> tuple[bool | None, str]:
        """Return whether an expression holds, and why it has no value where that is so."""
        self._asked, self._wrong = {}, []
        self._guessed = not self._open.isdisjoint(expression.reads)
        try:
            holds, error = expression.holds(self), ""
        except ExpressionFailed as failure:
            holds, error = False, str(failure)
        if self._wrong:
            error = self._wrong[0]
        return (None if error or self._guessed else holds), error

    def told(self) -> list[dict[str, Any]]:
        """Return what was looked up for the expression just evaluated, and found."""
        return [{"lookup": str(each), **_told(found)} for each, found in self._asked.items()]

    def _looking_up(self, function: str) -> Callable[..., Any]:
        def look_up(*arguments: Any) -> Any:
            try:
                return self._found(question(function, arguments), arguments)
            except ExpressionFailed as error:
                self._wrong.append(str(error))
                return None

        return look_up

    def _found(self, asked: Question, arguments: tuple[Any, ...]) -> Any:
        found = self._answer(asked)
        if isinstance(found, Missing) and len(arguments) > 1:
            found = arguments[1]
        if asked not in self.missing:
            self._asked[asked] = found
        if isinstance(found, Unanswerable):
            raise ExpressionFailed(found.why)
        return found

    def _answer(self, asked: Question) -> Any:
        if asked in self._answers:
            return self._answers[asked]
        if len(self._answers) + len(self.missing) >= MOST_QUESTIONS and asked not in self.missing:
            raise ExpressionFailed(f"conditions may look up {MOST_QUESTIONS} things at most")
        self.missing[asked] = None
        self._guessed = True
        return None


def _told(found: Any) -> dict[str, Any]:
    """Return an answer as records carry it: plain JSON, and not too long."""
    if isinstance(found, Unanswerable):
        return {"error": found.why}
    try:
        text = to_json(found, serialize_unknown=True).decode()
    except ValueError:  # text that is not Unicode
        return {"value": ascii(found)[:_LONGEST_TOLD]}
    return {"value": from_json(text) if len(text) <= _LONGEST_TOLD else f"{text[:_LONGEST_TOLD]}…"}


def _check_written(call: str) -> None:
    """Ask what a look-up asks, if that is all written out.

    Raises:
        InvalidExpression: it is called with what it can't answer.
    """
    import cel

    seen: list[ExpressionFailed | None] = []

    def look_up(function: str, arguments: tuple[Any, ...]) -> None:
        try:
            question(function, arguments)
            seen.append(None)
        except ExpressionFailed as error:
            seen.append(error)

    context = cel.Context({})
    for name in SIGNATURES:
        context.add_function(name, lambda *given, of=name: look_up(of, given))
    try:
        cel.compile(call).execute(context)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:  # noqa: BLE001 - it reads values, which there are none of yet
        return
    if seen and seen[0] is not None:  # those after the first are asked with what that found
        raise InvalidExpression(str(seen[0])) from seen[0]
