"""Emits events from user code: within a run as a part of it, elsewhere on their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from .amount import TOO_MANY, holds_too_many
from .context import Here, here
from .given import DICT, TEXT, Kind, is_text, maybe, require

if TYPE_CHECKING:
    from upshot.events.event import Event


_OURS: Final = {f"prefect.resource.{name}": name for name in ("id", "name", "role")}
_RESOURCE: Final = Kind("an id or labels", lambda given: is_text(given) or DICT.fits(given))
_MOMENT: Final = Kind("a datetime", lambda given: isinstance(given, datetime))
_RELATED: Final = Kind(
    "a list of labels",
    lambda given: isinstance(given, Sequence) and all(map(DICT.fits, given)),
)
_MAX_RELATED: Final = 64  # as events allow


def emit_event(
    event: str,
    resource: Mapping[str, str] | str,
    related: Sequence[Mapping[str, str]] | None = None,
    payload: Mapping[str, Any] | None = None,
    occurred: datetime | None = None,
    id: str | None = None,  # noqa: A002 - the event's field is called so
) -> Event:
    """Emit an event; automations may act on it.

    Within a run it is written with the run's other records, in order, has the run among its related
    resources, and follows the event that caused the run. Elsewhere it is durable on return.

    Args:
        event: its name, such as ``order.placed``.
        resource: what it is about: labels with an ``id``, or the id alone. Labels as Prefect has
            them (``prefect.resource.id``, ``.name``, ``.role``) are taken for the same.
        related: other resources, each usually with a ``role``.
        payload: any JSON object; NaN and Infinity are not JSON.
        occurred: when it happened, with a timezone; now by default.
        id: accepted once; a new one by default.

    Raises:
        InvalidEvent: naming each wrong field. WrongArgument: naming one that is no such thing.
        StoreUnavailable: outside of runs: it is not known whether it was written; emit it again.
    """
    require(_RESOURCE, resource=resource)
    require(maybe(_RELATED), related=related)
    require(maybe(DICT), payload=payload)
    require(maybe(_MOMENT), occurred=occurred)
    require(maybe(TEXT), id=id)
    place = here()
    labels = {"id": resource} if isinstance(resource, str) else _in_our_words(resource)
    more = {"occurred": occurred, "id": id}
    named = [_in_our_words(each) for each in related or ()]
    made = made_event(
        place, event, labels, named, payload or {},
        **{name: value for name, value in more.items() if value is not None},
    )  # fmt: skip
    _send(made, id or "", place)
    return made


def _in_our_words(labels: Mapping[str, str]) -> dict[str, str]:
    return {_OURS.get(key, key): value for key, value in labels.items()}


def made_event(
    place: Here | None,
    name: str,
    resource: Mapping[str, str],
    related: Sequence[Mapping[str, str]],
    payload: Mapping[str, Any],
    **more: Any,
) -> Event:
    """Return an event that is not sent yet; one from within a run is a part of it.

    Raises:
        InvalidEvent: naming each wrong field.
    """
    fields = {"event": name, "resource": resource, "payload": payload, **more}
    named = [dict(labels) for labels in related]
    if place is None:
        return _checked({**fields, "related": named})
    named = [*named, *_resources(place)][:_MAX_RELATED]
    return _checked({**fields, "related": named, **_of_run(place)})


def _checked(fields: dict[str, Any]) -> Event:
    from upshot.events.event import Event, refuse_impostor
    from upshot.events.exceptions import InvalidEvent

    for name, given in fields.items():
        if holds_too_many(given):
            raise InvalidEvent(f"{name}: {TOO_MANY}")
    event = Event.of(**fields)
    refuse_impostor(event)
    return event


def _of_run(place: Here) -> dict[str, Any]:
    run = place.context.flow_run
    return {"follows": run.caused_by, "causation": run.causation}


def _resources(place: Here) -> list[dict[str, str]]:
    from .runs.events import related as related_to

    run = place.context.flow_run
    resources = [{"id": f"flow-run.{run.id}", "role": "flow-run", "name": run.name}]
    if place.task is not None:
        identity = f"task-run.{place.task.id}"
        resources.append({"id": identity, "role": "task-run", "name": place.task.name})
    return [*resources, *related_to(run)]


def _send(event: Event, chosen_id: str, place: Here | None) -> None:
    from upshot.events.finite import require_finite

    body = event.to_json()
    require_finite(event.payload, body)
    if place is not None:
        place.context.journal.put(place.context.held, "event", body, record=chosen_id.encode())
        return
    from .joining.store import connect, join

    joined = join()
    connect(joined).call("append", joined.dedup_ms, chosen_id, body)
