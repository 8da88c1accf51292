"""Asks the recorded past: which definition is meant, which event, and what came before it.

name or body → definition, in force since when → the log and the archive behind it, oldest first
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import to_json

from upshot.automations.definition import Automation
from upshot.events.event import Recorded, describe
from upshot.events.exceptions import EventsError, NotFound
from upshot.events.log import milliseconds, recorded
from upshot.events.store import Store

from ..exceptions import UnreadableDefinition
from ..history.archive import Archive
from .catalog import Catalog
from .planning import Doc
from .versions import Version

_PAGE: Final = 1_000
_TRIGGER: Final = ("trigger",)
_ACTS: Final = (
    "trigger", "conditions", "control", "budget", "actions", "resolve", "on_resolve", "shadow",
)  # fmt: skip
_EVER: Final = 2**62


@dataclass(frozen=True, slots=True)
class Subject:
    """The definition that a question is about.

    Attributes:
        automation: the definition; a paused one is disabled.
        version: which one of it; 0 for one that is not stored.
        since: Unix ms from which on its trigger was in force without a break; None if not stored.
        acts_since: Unix ms from which on all that decides about its firings, and what they do, was
            in force: from then on the log tells what became of them. None if not stored.
    """

    automation: Automation
    version: int = 0
    since: int | None = None
    acts_since: int | None = None

    def begins(self, earliest: int, event: int) -> int:
        """Return where to begin with the past, in ms, for an event received then.

        What came before the definition counts only for events that did, too.
        """
        if self.since is None or event < self.since:
            return earliest
        return max(earliest, self.since)


def of_body(doc: Doc) -> Subject:
    """Return the subject that a checked definition is."""
    return Subject(automation_of(doc))


def automation_of(doc: Doc) -> Automation:
    """Return the automation that a stored definition is; a paused one is disabled.

    Raises:
        UnreadableDefinition: another version of Upshot has stored it.
    """
    try:
        automation = Automation.model_validate({k: v for k, v in doc.items() if k != "paused"})
    except ValidationError as error:
        raise UnreadableDefinition(
            f"{doc.get('name')} was defined with another version of Upshot, and this one can't "
            f"read it: {describe(error)}; apply it anew"
        ) from error
    return automation.model_copy(update={"enabled": False}) if doc.get("paused") else automation


async def of_name(catalog: Catalog, name: str) -> Subject:
    """Return the stored automation of this name.

    Raises:
        NotFound: there is none.
    """
    version, doc = await catalog.version("automation", name)
    versions = await catalog.history("automation", name)
    since = _in_force_since(doc, versions, _TRIGGER)
    return Subject(automation_of(doc), version, since, _in_force_since(doc, versions, _ACTS))


def _in_force_since(doc: Doc, versions: Sequence[Version], what: Collection[str]) -> int | None:
    """Return since when parts of a definition are as they are; ``versions`` come newest first."""
    since = None
    for each in versions:
        definition = each.definition or {}
        if any(definition.get(part) != doc.get(part) for part in what):
            break
        if _is_off(definition) != _is_off(doc):
            break
        since = each.at
    return since


def _is_off(doc: Doc) -> bool:
    return bool(doc.get("paused")) or not doc.get("enabled", True)


async def reach_ms(store: Store, events: int) -> int:
    """Return over how many ms about so many of the latest events came, as dense as the log is."""
    try:
        told = await store.execute("XINFO", "STREAM", store.keys("log"))
    except EventsError as error:
        if "no such key" in str(error):
            return _EVER
        raise
    length, first, last = int(told[b"length"]), told[b"first-entry"], told[b"last-entry"]
    if not first or length <= events:
        return _EVER
    span = milliseconds(last[0].decode()) - milliseconds(first[0].decode())
    return span * events // length


async def find_event(store: Store, archive: Archive, identity: str) -> Recorded:
    """Return a recorded event by its id.

    Raises:
        NotFound: neither the log nor the archive has it.
    """
    found = await _in_log(store, identity)
    if found is None and (reader := await archive.reader()) is not None:
        found = next(iter(await reader.events_of_ids([identity])), None)
    if found is None:
        raise NotFound(f"no event has the id {identity[:200]!r}")
    return found


async def _in_log(store: Store, identity: str) -> Recorded | None:
    """Look for an event in the log, the newest ones first: only a likely one is parsed."""
    needle, high, key = to_json(identity), "+", store.keys("log")
    while True:
        entries: list[Any] = await store.execute("XREVRANGE", key, high, "-", "COUNT", _PAGE)
        for entry in entries:
            if needle in entry[1][1] and (event := recorded(entry)).id == identity:
                return event
        if len(entries) < _PAGE:
            return None
        high = f"({entries[-1][0].decode()}"
