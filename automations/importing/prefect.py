"""Reads automations as Prefect's command line exports them, and makes Upshot's of them.

text → documents → name, trigger, actions, each with notes → checked as any definition is
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from pydantic import ValidationError

from ..definition import Automation
from ..exceptions import InvalidDefinition, NoEqual
from ..files.marked_yaml import read
from .notes import Imported, Notes
from .prefect_actions import action
from .prefect_names import Names
from .prefect_triggers import trigger

_IGNORED: Final = {"id", "created", "updated", "owner_resource", "account", "workspace"}
_KNOWN: Final = {"name", "description", "enabled", "tags", "trigger", "actions"} | {
    "actions_on_trigger",
    "actions_on_resolve",
}
_LONGEST_NAME: Final = 128


def import_prefect(
    text: str, *, source: str = "text", names: Mapping[str, str] | None = None
) -> list[Imported]:
    """Return the automations in an export: one, a list, or ``automations: […]``, YAML or JSON.

    Args:
        source: what the text is called in errors.
        names: id in Prefect → name here, for deployments, receivers and the like.

    Raises:
        InvalidDefinition: the text is neither, or holds no automation.
    """
    known = Names(names or {})
    taken: set[str] = set()
    return [_imported(each, known, taken) for each in _documents(text, source)]


def _documents(text: str, source: str) -> list[dict[str, Any]]:
    marked = read(text.replace("${", "$${"), {})
    if marked.problems:
        raise InvalidDefinition([f"{source}:{p[0]}:{p[1]}: {what}" for p, what in marked.problems])
    data = marked.data
    if isinstance(data, dict) and "automations" in data:
        data = data["automations"]
    found = data if isinstance(data, list) else [data]
    if not found or not all(isinstance(each, dict) and "trigger" in each for each in found):
        raise InvalidDefinition([f"{source}: no automation: each has a 'trigger' and 'actions'"])
    return found


def _imported(given: dict[str, Any], names: Names, taken: set[str]) -> Imported:
    notes = Notes()
    called = str(given.get("name") or "unnamed")
    for field in sorted(given.keys() - _KNOWN - _IGNORED):
        notes.add("is not known: it is left out", field)
    try:
        definition = _definition(given, _name(called, taken, notes), names, notes)
        if any(note.weakens for note in notes.all) and definition.get("enabled", True):
            definition = _disabled(definition)
            notes.add("is false until somebody has looked at the lines above", "enabled")
        Automation.model_validate(definition)
    except NoEqual as error:
        notes.add(f"can't be brought over: {error}", "trigger")
        return Imported(called, None, notes.all)
    except ValidationError as error:
        for wrong in error.errors(include_url=False, include_input=False):
            place = [part for part in map(str, wrong["loc"]) if not part.startswith("type=")]
            notes.add(f"can't be brought over: {wrong['msg']}", *place)
        return Imported(called, None, notes.all)
    return Imported(called, definition, notes.all)


def _definition(given: dict[str, Any], name: str, names: Names, notes: Notes) -> dict[str, Any]:
    made: dict[str, Any] = {"name": name}
    if given.get("description"):
        made["description"] = str(given["description"])[:4096]
    if given.get("enabled") is False:
        made["enabled"] = False
    if tags := [str(tag)[:128] for tag in given.get("tags") or [] if str(tag)]:
        made["tags"] = tags[:32]
    with notes.at("trigger"):
        made["trigger"] = trigger(given["trigger"], names, notes)
    found = _actions("actions", given, names, notes)
    found += _actions("actions_on_trigger", given, names, notes)
    if given.get("actions_on_resolve"):
        notes.add(
            "write them as on_resolve, with a 'resolve' that says when it is over: they are left "
            "out",
            "actions_on_resolve",
            weakens=True,
        )
    made["actions"] = found or [_record(name)]
    return made


def _actions(field: str, given: dict[str, Any], names: Names, notes: Notes) -> list[dict[str, Any]]:
    made = []
    for index, each in enumerate(given.get(field) or []):
        with notes.at(field, index):
            if (found := action(each, names, notes)) is not None:
                made.append(found)
    return made


def _record(name: str) -> dict[str, Any]:
    """Return the action of an automation that has none: an automation here does something."""
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "automation"
    return {"emit-event": {"event": f"{slug[:100]}.noticed"}}


def _disabled(definition: dict[str, Any]) -> dict[str, Any]:
    head: dict[str, Any] = {"name": definition["name"], "enabled": False}
    return {**head, **definition}


def _name(called: str, taken: set[str], notes: Notes) -> str:
    """Return a name that is allowed here and not taken yet."""
    made = re.sub(r"[^A-Za-z0-9 ._/-]+", "-", called).strip(" -")[:_LONGEST_NAME]
    made = re.sub(r"^[^A-Za-z0-9]+", "", made) or "unnamed"
    unique, count = made, 2
    while unique in taken:
        unique, count = f"{made[: _LONGEST_NAME - 5]} {count}", count + 1
    if unique != called:
        notes.add(f"is {unique!r} here", "name")
    taken.add(unique)
    return unique
