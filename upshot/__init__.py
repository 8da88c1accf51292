"""Upshot turns events into outcomes; this is its public face, and each name loads when first used.

``import upshot`` itself loads nothing else, so that a flow process pays for what it uses and no
more. The rooms behind the names are ``upshot.events``, ``upshot.flows``, ``upshot.automations``
and ``upshot.services``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from upshot.events import Event
    from upshot.flows import (
        Flow,
        RunInput,
        State,
        Task,
        apause_flow_run,
        aresume_flow_run,
        asuspend_flow_run,
        emit_event,
        flow,
        get_run_logger,
        pause_flow_run,
        resume_flow_run,
        suspend_flow_run,
        task,
        unmapped,
    )
    from upshot.services.automation import Automation

    __version__: str

__all__ = [
    "Automation",
    "Event",
    "Flow",
    "RunInput",
    "State",
    "Task",
    "apause_flow_run",
    "aresume_flow_run",
    "asuspend_flow_run",
    "emit_event",
    "flow",
    "get_run_logger",
    "pause_flow_run",
    "resume_flow_run",
    "suspend_flow_run",
    "task",
    "unmapped",
]

# A new public name goes here, into `__all__` and among the imports above; a test compares them.
_ROOM_OF: Final = {
    "Automation": "upshot.services.automation",
    "Event": "upshot.events",
    "Flow": "upshot.flows",
    "RunInput": "upshot.flows",
    "State": "upshot.flows",
    "Task": "upshot.flows",
    "apause_flow_run": "upshot.flows",
    "aresume_flow_run": "upshot.flows",
    "asuspend_flow_run": "upshot.flows",
    "emit_event": "upshot.flows",
    "flow": "upshot.flows",
    "get_run_logger": "upshot.flows",
    "pause_flow_run": "upshot.flows",
    "resume_flow_run": "upshot.flows",
    "suspend_flow_run": "upshot.flows",
    "task": "upshot.flows",
    "unmapped": "upshot.flows",
}


def _version() -> str:
    from importlib import metadata

    return metadata.version("upshot")


def __getattr__(name: str) -> Any:
    """Load a public name from its room, once.

    Raises:
        AttributeError: when Upshot has no such public name.
    """
    if name == "__version__":
        value: Any = _version()
    elif name in _ROOM_OF:
        value = getattr(importlib.import_module(_ROOM_OF[name]), name)
    else:
        raise AttributeError(f"module 'upshot' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted({*globals(), *__all__, "__version__"})
