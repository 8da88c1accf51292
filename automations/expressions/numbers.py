"""CEL expressions that answer with a number."""

from __future__ import annotations

import math
from typing import Final

from ..exceptions import ExpressionFailed
from .expression import Expression, Scope, compile_program

LARGEST_NUMBER: Final = 1e15


class NumberExpression(Expression):
    """A compiled CEL expression that answers with a number, or a text that is one.

    Args:
        source: the expression.

    Raises:
        InvalidExpression: as :class:`Expression`.
    """

    __slots__ = ()

    def __init__(self, source: str) -> None:
        super().__init__(source)
        # Only a number crosses over from CEL, so a huge value is never converted.
        self._program = compile_program(f"double({self._text}\n)")

    def number(self, scope: Scope) -> float:
        """Return the number.

        Raises:
            ExpressionFailed: it is none, is beyond ``LARGEST_NUMBER``, or can't be had.
        """
        value = self._answer(scope)
        if not isinstance(value, float) or not math.isfinite(value) or abs(value) > LARGEST_NUMBER:
            raise ExpressionFailed(f"no number that can be measured: {str(value)[:100]}")
        return value
