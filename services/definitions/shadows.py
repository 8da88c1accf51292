"""Shows what a shadow's firing would have done: its actions filled in when somebody asks.

the firing → the version that decided → its events, of the log and the archive → each action
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json

from upshot.automations.actions import Action, BaseAction
from upshot.automations.exceptions import AutomationsError
from upshot.automations.expressions.expression import Scope
from upshot.automations.trying.rendering import Lookups, context_of
from upshot.events.event import describe
from upshot.events.store import Store

from ..exceptions import ServicesError
from ..history.archive import Archive
from ..history.events import at
from ..recording import shortened
from ..rendering import Renderer, effort_of
from .catalog import Catalog
from .planning import Doc

_ADAPTER: Final[TypeAdapter[BaseAction]] = TypeAdapter(Action)
_NOT_KEPT: Final = "version {} of the automation is no longer kept"


class Shadows:
    """Fills in the actions of shadows' firings; none is done.

    Args:
        store: with the log and the definitions. archive: has the events that the log has no more.
    """

    def __init__(self, store: Store, archive: Archive) -> None:
        self._store, self._archive = store, archive
        self._catalog = Catalog(store)
        self._renderer = Renderer(1)

    async def filled_in(self, firing: Mapping[str, Any]) -> dict[str, Any]:
        """Return a firing with what each action ``would`` have done: ``act``, ``skip`` or ``fail``.

        Variables and deployments are those of now; a flow run is what its event tells of it.
        """
        actions = await self._actions(firing)
        if actions is None:
            detail = _NOT_KEPT.format(firing["version"])
            told = firing["outcomes"].items()
            return {**firing, "outcomes": {i: {**each, "detail": detail} for i, each in told}}
        context = await self._context(firing)
        size = len(to_json(context))
        outcomes = {
            str(index): {**_shadow(action), **await self._would(action, context, size)}
            for index, action in enumerate(actions)
        }
        return {**firing, "outcomes": outcomes}

    async def close(self) -> None:
        """End the process that fills in long templates."""
        await self._renderer.close()

    async def _actions(self, firing: Mapping[str, Any]) -> list[Doc] | None:
        """Return the actions as they were defined; None where that version is not kept."""
        for version in await self._catalog.history("automation", firing["automation"]):
            if version.version == firing["version"] and version.definition is not None:
                return _branch(version.definition, firing.get("branch", "actions"))
        return None

    async def _context(self, firing: Mapping[str, Any]) -> dict[str, Any]:
        events = await at(self._store, self._archive, firing["positions"])
        docs = await self._catalog.all("variable")
        variables = {name: doc.get("value") for name, doc in docs.items()}
        lookups = Lookups(variables, await self._catalog.all("deployment"))
        return context_of(firing, [event.body for event in events], lookups)

    async def _would(self, action: Doc, context: dict[str, Any], size: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        try:
            made = _ADAPTER.validate_python(action)
            if made.condition is not None:
                holds = made.condition.holds(Scope(context))
                found["if"] = {"expression": made.condition.source, "holds": holds}
                if not holds:
                    return {**found, "would": "skip"}
            request = await self._renderer.render(made, context, effort=effort_of(made), size=size)
        except ValidationError as error:
            detail = f"the definition can't be used: {describe(error)}"
            return {**found, "would": "fail", "detail": detail}
        except (AutomationsError, ServicesError) as error:
            return {**found, "would": "fail", "detail": str(error)}
        arguments = shortened(made.told(request.arguments))
        return {**found, "would": "act", "arguments": arguments}


def _shadow(action: Doc) -> dict[str, Any]:
    return {"type": next(iter(action)), "outcome": "shadow"}


def _branch(definition: Mapping[str, Any], branch: str) -> list[Doc]:
    """Return the actions that a firing of this branch has."""
    if branch == "then":
        return list((definition.get("budget") or {}).get("then") or [])
    return list(definition.get(branch) or [])
