"""The ground floor: the event, the store, the atomic functions, the log. Names load when used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .lazy import face

if TYPE_CHECKING:
    from upshot.flows.emitting import emit_event as emit_event

    from .embedded import EmbeddedStore as EmbeddedStore
    from .event import Causation as Causation, Event as Event, Recorded as Recorded
    from .log import Log as Log
    from .settings import Settings as Settings, load_settings as load_settings
    from .store import Store as Store, SyncStore as SyncStore
else:
    __getattr__ = face(
        __name__,
        {
            ".embedded": "EmbeddedStore",
            ".event": "Causation Event Recorded",
            ".log": "Log",
            ".settings": "Settings load_settings",
            ".store": "Store SyncStore",
            # It knows in which run it is called, so it lives upstairs; users of Prefect ask here.
            "upshot.flows.emitting": "emit_event",
        },
    )
