"""What the actions of an automation bring about, and what its trigger waits for, as its text tells.

It reads definitions as they are stored, without compiling them: there may be ten thousand.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from upshot.events.ids import derived_id

from ..matching import LabelMatch
from ..triggers import Interest
from ..triggers.runs import RUN_ENDS

Doc: TypeAlias = Mapping[str, Any]
Labels: TypeAlias = Mapping[str, str | None]
"""Labels of a resource; None for one that is there, but of which the text does not tell more."""

FIRING: Final = ("automation.fired", "action.triggered")
"""The events that every firing brings about."""

_INSTANT: Final = (None, 0, "0", "0s")
_SURE: Final = ("scheduled", "pending", "running", "completed")
_UNSURE: Final = ("failed", "crashed")
_RETRIED: Final = (*(f"flow-run.{state}" for state in ("scheduled", *_SURE[1:3])), *RUN_ENDS)
_SWITCHED: Final = {"pause": "paused", "resume": "resumed"}
_FIELDS: Final = {
    "deployment": "deployment",
    "work-pool": "work_pool",
    "automation": "automation",
}


@dataclass(slots=True, frozen=True)
class Made:
    """An event that an automation's firing brings about.

    Attributes:
        event: its name. resource, related: their labels.
        by: what makes it, for people. action: the place of that among the actions; None where
            firing itself does.
        certain: whether it certainly comes. guarded: whether an ``if`` may leave it out.
        heals: whether it comes of the same run, tried again.
    """

    event: str
    resource: Labels
    related: tuple[Labels, ...]
    by: str
    action: int | None = None
    certain: bool = True
    guarded: bool = False
    heals: bool = False


@dataclass(slots=True, frozen=True)
class Wait:
    """Events that an automation waits for.

    Attributes:
        interest: which. guarded: whether it takes more than one of them to set it off.
    """

    interest: Interest
    guarded: bool


@dataclass(slots=True, frozen=True)
class Link:
    """An automation as a part of what sets off what.

    Attributes:
        made: what its firing brings about. waits: what it waits for.
        allowed: the automations with which a cycle is intended.
    """

    name: str
    made: tuple[Made, ...]
    waits: tuple[Wait, ...]
    allowed: frozenset[str]


def link_of(doc: Doc) -> Link | None:
    """Return what an automation is a part of; None for one that is not in force."""
    if not doc.get("enabled", True):
        return None
    control = doc.get("control") or {}
    guarded = bool(doc.get("conditions") or doc.get("budget"))
    waits = tuple(_waits(doc.get("trigger") or {}, guarded))
    allowed = frozenset(control.get("allow_cycles") or ())
    return Link(doc["name"], tuple(_all_made(doc)), waits, allowed)


def _waits(trigger: Doc, guarded: bool) -> Iterator[Wait]:
    """Yield what sets a trigger off, or may together with more; absences and clocks are not."""
    if "triggers" in trigger:
        alone = trigger.get("type") == "compound" and trigger.get("require") in ("any", 1)
        for each in trigger["triggers"]:
            if "not" not in each:
                yield from _waits(each, guarded or not alone)
        return
    if trigger.get("type", "event") != "event" or trigger.get("posture") == "Proactive":
        return
    after = tuple(trigger.get("after") or ())
    one = trigger.get("threshold", 1) == 1 and trigger.get("within") in _INSTANT and not after
    names = (*(trigger.get("expect") or ("*",)), *after)
    match = LabelMatch(dict(trigger.get("match") or {}))
    related = tuple(LabelMatch(dict(each)) for each in trigger.get("match_related") or ())
    limited = guarded or not one or bool(trigger.get("where"))
    yield Wait(Interest(names, match, related), limited)


def _all_made(doc: Doc) -> Iterator[Made]:
    name = doc["name"]
    itself = {"id": f"automation.{derived_id('automation', name)}", "name": name}
    # A shadow counts as if it acted: promoting it must be no surprise.
    yield Made("automation.fired", itself, (_TRIGGER,), f"the firing of '{name}'")
    for place, action in enumerate(doc.get("actions") or []):
        ((kind, options),) = action.items()
        options = options or {}
        about = {"id": None, "type": kind, "automation": name}
        fired = ({**itself, "role": "automation"},)
        yield Made("action.triggered", about, fired, f"{kind} of '{name}'", place)
        guarded = options.get("if") is not None
        for event, resource, related, by, certain in _made_by(kind, options, itself):
            told = f"{by} of '{name}'"
            heals = kind == "retry-flow-run"
            yield Made(event, resource, related, told, place, certain, guarded, heals)


_TRIGGER: Final[Labels] = {"id": None, "role": "trigger", "name": None}
_Effect: TypeAlias = tuple[str, Labels, tuple[Labels, ...], str, bool]


def _made_by(kind: str, options: Doc, itself: Labels) -> Iterator[_Effect]:
    """Yield the events that an action of a kind makes: name, labels, what makes it, how sure."""
    verb, _, of = kind.partition("-")
    if kind == "emit-event":
        yield from _emitted(options, itself)
    elif kind == "set-variable" and (name := literal(options.get("name"))):
        yield "variable.updated", _thing("variable", name), (), f"set-variable '{name}'", True
    elif kind == "run-deployment" and (name := literal(options.get("deployment"))):
        yield from _run(name)
    elif kind == "retry-flow-run":
        for event in _RETRIED:
            yield event, _RUN, (_OPEN_DEPLOYMENT, _OPEN_FLOW, _POOL, _TAG), kind, False
    elif verb in _SWITCHED and of in _FIELDS and (name := literal(options.get(_FIELDS[of]))):
        yield f"{of}.{_SWITCHED[verb]}", _thing(of, name), (), f"{kind} '{name}'", True


def _emitted(options: Doc, itself: Labels) -> Iterator[_Effect]:
    event = literal(options.get("event"))
    if not event:
        return
    resource = options.get("resource")
    labels = itself if resource is None else _labels(resource)
    related = tuple(_labels(each) for each in options.get("related") or ())
    yield event, labels, related, f"emit-event '{event}'", True


_RUN: Final[Labels] = {"id": None, "name": None, "state": None}
_POOL: Final[Labels] = {"id": None, "role": "work-pool", "name": None}
_TAG: Final[Labels] = {"id": None, "role": "tag", "name": None}
_OPEN_DEPLOYMENT: Final[Labels] = {"id": None, "role": "deployment", "name": None}
_OPEN_FLOW: Final[Labels] = {"id": None, "role": "flow", "name": None}


def _run(deployment: str) -> Iterator[_Effect]:
    flow = deployment.partition("/")[0]
    related: tuple[Labels, ...] = (
        {**_thing("flow", flow), "role": "flow"},
        {**_thing("deployment", deployment), "role": "deployment"},
        _POOL,
        _TAG,
    )
    for state in (*_SURE, *_UNSURE):
        yield f"flow-run.{state}", _RUN, related, f"run-deployment '{deployment}'", state in _SURE


def _thing(kind: str, name: str) -> Labels:
    return {"id": f"{kind}.{derived_id(kind, name)}", "name": name}


def _labels(written: Mapping[str, Any]) -> Labels:
    return {label: literal(value) for label, value in written.items()}


def literal(text: Any) -> str | None:
    """Return what a template comes out as, if that does not depend on anything."""
    if not isinstance(text, str) or any(mark in text for mark in ("{{", "{%", "{#")):
        return None
    return text.strip()
