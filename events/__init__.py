"""The ground floor: the event, the store, the atomic functions, the log. Names load when used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from .embedded import EmbeddedStore
    from .event import Causation, Event, Recorded
    from .log import Log
    from .settings import Settings, load_settings
    from .store import Store, SyncStore

__all__ = [
    "Causation",
    "EmbeddedStore",
    "Event",
    "Log",
    "Recorded",
    "Settings",
    "Store",
    "SyncStore",
    "load_settings",
]

_MODULE_OF: Final = {
    "Causation": "event",
    "EmbeddedStore": "embedded",
    "Event": "event",
    "Log": "log",
    "Recorded": "event",
    "Settings": "settings",
    "Store": "store",
    "SyncStore": "store",
    "load_settings": "settings",
}


def __getattr__(name: str) -> Any:
    """Load a public name from its module, once."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_MODULE_OF[name]}", __name__), name)
    globals()[name] = value
    return value
