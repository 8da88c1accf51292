"""Warns of actions that name a deployment or a receiver that nobody has defined."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from upshot.events.store import Store

from .catalog import Reviewer
from .names import nearest
from .planning import Change, Doc

_KIND: Final = "automation"
_FIELDS: Final = {"deployment": "deployment", "to": "receiver"}
"""Options of actions, and the kind of definition that they name."""


@dataclass(slots=True, frozen=True)
class _Named:
    """A definition that an action names, and where it does."""

    field: str
    kind: str
    name: str


class Naming:
    """Has changes reviewed, then looks at the names in those of automations.

    Args:
        store: where definitions are kept. then: reviews the changes before.
    """

    def __init__(self, store: Store, then: Reviewer) -> None:
        self._store = store
        self._then = then

    async def __call__(self, changes: Sequence[Change]) -> list[Change]:
        """Return the changes as they were reviewed, with a warning for each name of nothing."""
        reviewed = await self._then(changes)
        named = {each.name: tuple(_named(each.doc)) for each in reviewed if _matters(each)}
        if not any(named.values()):
            return reviewed
        known = {kind: await self._known(kind, changes) for kind in _FIELDS.values()}
        return [_warned(each, named.get(each.name, ()), known) for each in reviewed]

    async def _known(self, kind: str, changes: Sequence[Change]) -> set[str]:
        """Return the names that there will be."""
        stored = await self._store.execute("HKEYS", self._store.keys("docs", kind))
        about = [each for each in changes if each.kind == kind]
        gone = {each.name for each in about if each.doc is None}
        return ({name.decode() for name in stored} | {each.name for each in about}) - gone


def _matters(change: Change) -> bool:
    return change.kind == _KIND and change.doc is not None


def _named(doc: Doc | None) -> Iterator[_Named]:
    """Yield what is named as it is; what a template or an id names shows when it is filled in."""
    for place, action in _actions(doc or {}):
        for option, kind in _FIELDS.items():
            given = (action or {}).get(option) or ()
            for name in (given,) if isinstance(given, str) else given:
                if "{" not in name and (kind != "deployment" or "/" in name):
                    yield _Named(f"{place}.{option}", kind, name)


def _actions(doc: Doc) -> Iterator[tuple[str, Any]]:
    budget = doc.get("budget") or {}
    lists = {"actions": doc, "on_resolve": doc, "then": budget}
    for key, holder in lists.items():
        actions: list[Doc] = holder.get(key) or []
        where = "budget.then" if holder is budget else key
        for number, action in enumerate(actions):
            ((kind, options),) = action.items()
            yield f"{where}.{number}.{kind}", options


def _warned(change: Change, named: Sequence[_Named], known: dict[str, set[str]]) -> Change:
    if not _matters(change):
        return change
    about = {"kind": change.kind, "name": change.name}
    missing = [one for one in named if one.name not in known[one.kind]]
    told = ({**about, "field": one.field, "message": _message(one, known)} for one in missing)
    return replace(change, warnings=(*change.warnings, *told))


def _message(named: _Named, known: dict[str, set[str]]) -> str:
    hint = nearest(named.name, known[named.kind])
    return f"no {named.kind} is called {named.name[:200]!r}{hint}"
