"""Hooks: what users have called when a run of their flow or task enters a state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..aside import called
from ..logs.capturing import run_logger
from ..states import State, StateType
from .outcomes import explain

if TYPE_CHECKING:
    from ..definitions.definition import Definition

_NAME_OF: Final = {
    StateType.RUNNING: "on_running",
    StateType.COMPLETED: "on_completion",
    StateType.FAILED: "on_failure",
    StateType.CANCELLED: "on_cancellation",
    StateType.CRASHED: "on_crashed",
}


def call_hooks(definition: Definition[..., Any], run: Any, state: State) -> None:
    """Call the hooks of a state that a run has entered; one that fails is logged, and no more.

    Args:
        definition: the flow or task. run: its run, as the hooks get it.
    """
    for hook in definition.hooks.get(_NAME_OF.get(state.type, ""), ()):
        named = getattr(hook, "__name__", repr(hook))
        try:
            called(hook, definition, run, state)
        except Exception as error:  # noqa: BLE001 - it is code of the user's own, beside the run
            run_logger().error("hook %s failed: %s", named, explain(error), exc_info=error)
