"""Checks definitions that come in, and shows those that go out without their secrets."""

from __future__ import annotations

from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from upshot.automations.control.stages import kept_on_edit as stages_kept
from upshot.automations.definition import Automation
from upshot.automations.files.loading import Definitions
from upshot.automations.files.problems import in_words
from upshot.automations.triggers import kept_on_edit
from upshot.events.ids import derived_id

from ..definitions.planning import Change, Doc, Verb
from ..exceptions import Refused
from .problems import field_errors

HIDDEN: Final = "********"
KIND_OF: Final = {
    "automations": "automation",
    "deployments": "deployment",
    "webhooks": "webhook",
    "receivers": "receiver",
    "variables": "variable",
    "limits": "limit",
    "work_pools": "work-pool",
}
_SECRET_FIELDS: Final = {"webhook": "secret", "receiver": "url"}
_READ_ONLY: Final = ("id", "version", "path", "warnings", "parameter_schema")
_PAUSED: Final = frozenset({"automation", "deployment", "work-pool"})

Errors = list[dict[str, object]]


def check(given: dict[str, list[Doc]]) -> dict[str, dict[str, Doc]]:
    """Return checked definitions by kind and name, in the form in which they are kept.

    Raises:
        Refused: 422 with the place of each thing that is wrong.
    """
    try:
        checked = Definitions.model_validate(given)
    except ValidationError as error:
        raise _invalid(field_errors(error, _told)) from error
    _require_secrets(checked)
    docs = checked.model_dump(mode="json", by_alias=True)
    return {KIND_OF[kind]: _by_name(kind, docs[kind]) for kind in given}


def _told(problem: ErrorDetails) -> str:
    return in_words(problem, Definitions)


def check_one(plural: str, body: Doc) -> Doc:
    """Return one checked definition, with its pause where it is told.

    Raises:
        Refused: 422; the fields are named as the body has them.
    """
    paused = _paused(KIND_OF[plural], body)
    rest = {key: value for key, value in body.items() if key not in (*_READ_ONLY, "paused")}
    try:
        checked = check({plural: [rest]})
    except Refused as refused:
        raise _invalid([_without(f"{plural}.0.", each) for each in refused.errors or ()]) from None
    (doc,) = checked[KIND_OF[plural]].values()
    return doc if paused is None else {**doc, "paused": paused}


def _paused(kind: str, body: Doc) -> bool | None:
    paused = body.get("paused")
    if paused is None:
        return None
    if kind not in _PAUSED or not isinstance(paused, bool):
        wrong = "true or false is expected" if kind in _PAUSED else "this kind can't be paused"
        raise _invalid([{"field": "paused", "message": wrong}])
    return paused


def _without(prefix: str, error: dict[str, object]) -> dict[str, object]:
    return {**error, "field": str(error["field"]).removeprefix(prefix)}


def _invalid(errors: Errors) -> Refused:
    detail = f"{errors[0]['field']}: {errors[0]['message']}; nothing was applied"
    return Refused(422, "invalid-definition", detail, errors=errors)


def _require_secrets(checked: Definitions) -> None:
    """Refuse webhooks that anybody could send to."""
    errors: Errors = [
        {"field": f"webhooks.{index}.secret", "message": "is required: deliveries are signed"}
        for index, webhook in enumerate(checked.webhooks)
        if webhook.secret is None
    ]
    if errors:
        raise _invalid(errors)


def _by_name(kind: str, docs: list[Doc]) -> dict[str, Doc]:
    named: dict[str, Doc] = {}
    for index, doc in enumerate(docs):
        if doc["name"] in named:
            message = f"the name {doc['name']!r} is taken by another one"
            raise _invalid([{"field": f"{kind}.{index}.name", "message": message}])
        named[doc["name"]] = doc
    return named


def shown(kind: str, name: str, version: int, doc: Doc) -> Doc:
    """Return a definition as answers show it: with its id, without its secrets."""
    body = {"id": derived_id(kind, name), **_masked(kind, doc), "version": version}
    if kind == "webhook":
        body["path"] = f"/hooks/{name}"
    return body


def _masked(kind: str, doc: Doc) -> Doc:
    field = _SECRET_FIELDS.get(kind)
    if field is None:
        return doc
    return {**doc, field: _mask(field, doc.get(field))}


def _mask(field: str, value: Any) -> Any:
    if not value:
        return None
    return f"{str(value).partition('://')[0]}://{HIDDEN}" if field == "url" else HIDDEN


def unmasked(kind: str, body: Doc, stored: Doc | None) -> Doc:
    """Return what somebody sends back, with the secret that was hidden from them."""
    field = _SECRET_FIELDS.get(kind)
    if field is None or stored is None or body.get(field) != _mask(field, stored.get(field)):
        return body
    return {**body, field: stored.get(field)}


def told(change: Change) -> Doc:
    """Return a line of a plan as answers show it: no secrets, and what an automation forgets."""
    line = change.to_dict()
    secret = _SECRET_FIELDS.get(change.kind)
    if secret is not None:
        line["diff"] = [
            {key: value if key == "field" else HIDDEN for key, value in each.items()}
            if each["field"] == secret
            else each
            for each in line["diff"]
        ]
    state = _state_of(change)
    return line if state is None else {**line, "state": state}


def _state_of(change: Change) -> dict[str, list[str]] | None:
    """Tell which triggers and stages of an updated automation keep what they remember."""
    if change.kind != "automation" or change.verb is not Verb.UPDATED:
        return None
    try:
        old, new = (_automation(doc) for doc in (change.old, change.doc))
    except ValidationError:  # what another version of Upshot has stored
        return {"kept": [], "reset": ["trigger"]}
    triggers = kept_on_edit(old.trigger, new.trigger)
    kept = {_place(path): same for path, same in triggers.items()} | stages_kept(old, new)
    return {
        "kept": [place for place, same in kept.items() if same],
        "reset": [place for place, same in kept.items() if not same],
    }


def _automation(doc: Doc | None) -> Automation:
    return Automation.model_validate({k: v for k, v in (doc or {}).items() if k != "paused"})


def _place(path: str) -> str:
    """Write a trigger's place as a definition has it: ``trigger.triggers.1``."""
    steps = path.split(".") if path else []
    return "".join(["trigger", *(f".triggers.{int(step, 16)}" for step in steps)])
