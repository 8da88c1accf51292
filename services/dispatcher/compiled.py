"""Actions of entries, compiled: checked and their templates parsed once, not for each firing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json, to_json

from upshot.automations.actions import Action, BaseAction
from upshot.events.event import describe

from ..exceptions import ActionFailed
from ..rendering import effort_of
from .retrying import Retries

KEPT: Final = 4096
LOOKED_UP: Final = frozenset({"flow_run", "deployment", "variables"})
"""Names of the context that cost a look-up, made only for actions that mention them."""

_ADAPTER: Final[TypeAdapter[BaseAction]] = TypeAdapter(Action)


@dataclass(frozen=True, slots=True)
class Compiled:
    """An action ready to be rendered.

    Attributes:
        timeout: seconds. needs: as in ``LOOKED_UP``.
        effort: of its templates; None where it can't be told before.
    """

    action: BaseAction
    timeout: float
    retries: Retries
    needs: frozenset[str]
    effort: int | None


def compile_action(action: dict[str, Any]) -> Compiled:
    """Return the compiled action of a definition.

    Raises:
        ActionFailed: it is not valid for this version of Upshot.
    """
    return _compile(to_json(action))


@lru_cache(maxsize=KEPT)
def _compile(body: bytes) -> Compiled:
    try:
        # Definitions were checked when they were saved: a field that this version has not (any
        # more) is one of another version, and no reason to do nothing at all.
        action = _ADAPTER.validate_python(from_json(body), extra="ignore")
    except ValidationError as error:
        raise ActionFailed(f"the definition can't be used: {describe(error)}") from error
    text = body.decode()
    return Compiled(
        action,
        action.timeout.total_seconds(),
        Retries(action.retries, action.retry_delay.total_seconds()),
        frozenset(name for name in LOOKED_UP if name in text),
        effort_of(action),
    )
