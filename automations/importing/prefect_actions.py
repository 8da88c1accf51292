"""Prefect's actions as Upshot's."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from upshot.flows.states import NAMES, StateType

from .notes import Notes
from .prefect_names import Names
from .prefect_templates import template

Maker = Callable[[Mapping[str, Any], Names, Notes], dict[str, Any] | None]


def action(given: Any, names: Names, notes: Notes) -> dict[str, Any] | None:
    """Return an action of Prefect's as one of Upshot's; None where it is left out."""
    kind = given.get("type") if isinstance(given, Mapping) else None
    make = _MAKERS.get(str(kind))
    if make is None:
        notes.add(f"no action here equals '{kind}': it is left out", weakens=True)
        return None
    return make(given, names, notes)


def _nothing(given: Mapping[str, Any], names: Names, notes: Notes) -> None:
    notes.add("doing nothing needs no action here: the firing is recorded anyway")


def _run_deployment(given: Mapping[str, Any], names: Names, notes: Notes) -> dict[str, Any]:
    with notes.at("parameters"):
        parameters = _parameters(given.get("parameters") or {}, notes)
    for field in ("job_variables", "schedule_after"):
        if given.get(field):
            notes.add("runs here have no such thing: it is left out", field, weakens=True)
    made = {"deployment": _deployment(given, names, notes)}
    return {"run-deployment": {**made, **({"parameters": parameters} if parameters else {})}}


def _deployment(given: Mapping[str, Any], names: Names, notes: Notes) -> str:
    if given.get("source") == "inferred":
        return "{{ deployment.name }}"
    with notes.at("deployment_id"):
        return names.of(given.get("deployment_id"), "deployment", notes)


def _parameters(given: Any, notes: Notes) -> Any:
    if isinstance(given, list):
        return [_parameters(each, notes) for each in given]
    if isinstance(given, str):
        return template(given, notes)
    if not isinstance(given, dict):
        return given
    kind = given.get("__prefect_kind")
    if kind == "jinja":
        return template(str(given.get("template", "")), notes)
    if kind == "json":
        return _json(given.get("value"), notes)
    if kind == "workspace_variable":
        return f"{{{{ variables.{given.get('variable_name')} }}}}"
    return {key: _parameters(value, notes) for key, value in given.items()}


def _json(value: Any, notes: Notes) -> Any:
    if isinstance(value, dict):
        notes.add("a template that makes JSON: here it gives what the template gives", "value")
        return _parameters(value, notes)
    try:
        return _parameters(json.loads(str(value)), notes)
    except ValueError:
        notes.add("is no JSON: it is left as text", "value", weakens=True)
        return value


def _of_deployment(kind: str) -> Maker:
    def make(given: Mapping[str, Any], names: Names, notes: Notes) -> dict[str, Any]:
        return {kind: _selected(given, "deployment", names, notes)}

    return make


def _of_work_pool(kind: str) -> Maker:
    def make(given: Mapping[str, Any], names: Names, notes: Notes) -> dict[str, Any]:
        return {kind: _selected(given, "work_pool", names, notes)}

    return make


def _of_automation(kind: str) -> Maker:
    def make(given: Mapping[str, Any], names: Names, notes: Notes) -> dict[str, Any]:
        return {kind: _selected(given, "automation", names, notes)}

    return make


def _selected(given: Mapping[str, Any], what: str, names: Names, notes: Notes) -> dict[str, str]:
    """Return which one is meant; nothing where it is the event's own."""
    if given.get("source") == "inferred":
        return {}
    with notes.at(f"{what}_id"):
        return {what: names.of(given.get(f"{what}_id"), what.replace("_", " "), notes)}


def _of_run(kind: str) -> Maker:
    return lambda given, names, notes: {kind: {}}


def _change_state(given: Mapping[str, Any], names: Names, notes: Notes) -> dict[str, Any] | None:
    if given.get("force"):
        notes.add("what the state machine has not is never forced here", "force", weakens=True)
    made = {"message": template(str(given["message"]), notes)} if given.get("message") else {}
    state = _state(given, notes)
    kind = NAMES.get(state)
    if kind is StateType.PAUSED:
        return {"pause-flow-run": made}
    if kind in (None, StateType.PENDING, StateType.RUNNING):
        notes.add(f"no action puts a run into {state!r}: it is left out", "state", weakens=True)
        return None
    return {"change-flow-run-state": {"state": state, **made}}


def _state(given: Mapping[str, Any], notes: Notes) -> str:
    """Return the state that is meant, by its name; one of the user's own is known by its type."""
    name, kind = str(given.get("name") or ""), str(given.get("state", "")).capitalize()
    if name in NAMES or not name:
        return name or kind
    notes.add(f"no state is called '{name}' here: it is {kind}", "name", weakens=True)
    return kind


def _notify(given: Mapping[str, Any], names: Names, notes: Notes) -> dict[str, Any]:
    with notes.at("block_document_id"):
        made = {"to": names.of(given.get("block_document_id"), "notification block", notes)}
    for theirs, ours in (("subject", "title"), ("body", "body")):
        if given.get(theirs):
            with notes.at(theirs):
                made[ours] = template(str(given[theirs]), notes)
    return {"notify": made}


def _email(given: Mapping[str, Any], names: Names, notes: Notes) -> dict[str, Any]:
    notes.add(f"make a receiver 'mail' of {given.get('emails')}", "emails", weakens=True)
    return _notify({**given, "block_document_id": "mail"}, Names({"mail": "mail"}), notes)


def _call_webhook(given: Mapping[str, Any], names: Names, notes: Notes) -> dict[str, Any]:
    """The address lies in a block that an export does not hold."""
    with notes.at("block_document_id"):
        known = names.of(given.get("block_document_id"), "webhook block", notes)
    url = known if "://" in known else f"https://{known}.invalid/"
    made: dict[str, Any] = {"url": url}
    if given.get("payload"):
        with notes.at("payload"):
            made["body"] = template(str(given["payload"]), notes)
    return {"call-webhook": made}


_MAKERS: Final[dict[str, Maker]] = {
    "do-nothing": _nothing,
    "run-deployment": _run_deployment,
    "pause-deployment": _of_deployment("pause-deployment"),
    "resume-deployment": _of_deployment("resume-deployment"),
    "pause-work-pool": _of_work_pool("pause-work-pool"),
    "resume-work-pool": _of_work_pool("resume-work-pool"),
    "pause-automation": _of_automation("pause-automation"),
    "resume-automation": _of_automation("resume-automation"),
    "cancel-flow-run": _of_run("cancel-flow-run"),
    "suspend-flow-run": _of_run("pause-flow-run"),
    "resume-flow-run": _of_run("resume-flow-run"),
    "change-flow-run-state": _change_state,
    "send-notification": _notify,
    "send-email-notification": _email,
    "call-webhook": _call_webhook,
}
