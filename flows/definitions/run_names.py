"""The names of runs, by the template or the function that a flow or task has for them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from ..calls.parameters import Signature
from ..exceptions import InvalidParameters
from ..states import legible

LONGEST_NAME: Final = 200
"""Characters."""

Naming: TypeAlias = str | Callable[[], str] | Callable[[dict[str, Any]], str]
"""Template of runs' names, or what makes them: of nothing, or of ``parameters``."""


def name_from(
    template: Naming | None, kind: str, name: str, signature: Signature, bound: dict[str, Any]
) -> str | None:
    """Return a run's name by its template.

    Raises:
        InvalidParameters: the template names what is no parameter.
    """
    if template is None:
        return None
    if callable(template):
        return legible(_made(template, kind, name, signature.with_defaults(bound)), LONGEST_NAME)
    try:
        return legible(template.format(**signature.with_defaults(bound)), LONGEST_NAME)
    except (KeyError, IndexError, AttributeError, ValueError) as error:
        problem = f"{kind}_run_name: {template!r} does not work: {error!r}"
        raise InvalidParameters(problem) from error


def _made(maker: Callable[..., str], kind: str, name: str, parameters: dict[str, Any]) -> str:
    from ..runtime import naming

    takes_them = "parameters" in inspect.signature(maker).parameters
    with naming(kind, name, parameters):
        made = maker(parameters=parameters) if takes_them else maker()
    if not isinstance(made, str):
        raise InvalidParameters(f"{kind}_run_name: {maker!r} made {made!r}, which is no text")
    return made
