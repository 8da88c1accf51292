"""Definitions as flow processes keep them: by kind and name; each change has its event."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from pydantic_core import from_json, to_json

from upshot.events.event import Event
from upshot.events.exceptions import Conflict
from upshot.events.ids import derived_id
from upshot.events.store import SyncStore

if TYPE_CHECKING:
    from ..journal.journal import Journal

Document: TypeAlias = dict[str, Any]
_ATTEMPTS: Final = 10


def change(
    store: Journal | SyncStore,
    kind: str,
    name: str,
    wanted: Callable[[Document | None], Document | None],
) -> str:
    """Make a definition what is wanted; return what was done: ``created``, ``unchanged``, ….

    Args:
        wanted: makes it of the one that is there, if one is; None for none. It may raise.

    Raises:
        Conflict: somebody else keeps changing it.
    """
    for _ in range(_ATTEMPTS):
        version, old = stored(store, kind, name)
        new = wanted(old)
        if new == old:
            return "unchanged"
        verb = "deleted" if new is None else "updated" if old is not None else "created"
        event = _event(kind, name, verb, version + 1, old, new)
        body = b"" if new is None else to_json(new)
        try:
            store.call("put", kind, name, version, body, event.to_json())
        except Conflict:
            continue
        return verb
    raise Conflict(f"{kind} {name} keeps changing; try again")


def stored(store: Journal | SyncStore, kind: str, name: str) -> tuple[int, Document | None]:
    """Return a definition with its version; None for one that is not there, which counts on."""
    value = store.execute("HGET", store.keys("docs", kind), name)
    if value is None:
        latest = store.execute("LINDEX", store.keys("history", kind, name), 0)
        return int((latest or b"0").partition(b" ")[0]), None
    version, _, body = value.partition(b" ")
    return int(version), from_json(body)


def _event(
    kind: str, name: str, verb: str, version: int, old: Document | None, new: Document | None
) -> Event:
    before, after = old or {}, new or {}
    fields = sorted(key for key in {*before, *after} if before.get(key) != after.get(key))
    return Event(
        event=f"{kind}.{verb}",
        resource={"id": f"{kind}.{derived_id(kind, name)}", "name": name},
        payload={"version": version, "fields": fields, "definition": new},
    )
