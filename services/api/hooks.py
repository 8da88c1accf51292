"""Webhooks come in: known slug → bounded body → genuine → JSON → event ``webhook.<slug>``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qs

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json
from starlette.requests import Request
from starlette.responses import Response

from upshot.events.event import MAX_EVENT_BYTES, Event, EventId
from upshot.events.exceptions import InvalidEvent, NotFound
from upshot.events.finite import NOT_FINITE, not_finite
from upshot.events.ids import new_id

from ..exceptions import Refused, WrongSignature
from .appender import Item
from .bodies import read_body
from .ingest import accepted
from .parsing import unfit
from .parts import Parts, parts_of
from .signatures import verify

_MOST_READ: Final = 4 * MAX_EVENT_BYTES  # a form takes up to three times what it carries
_DELIVERY: Final = {
    "github": ("x-github-delivery",),
    "generic": ("webhook-id", "x-delivery-id", "idempotency-key"),
}
_EVENT_ID: Final = TypeAdapter(EventId)
_LONGEST_LABEL: Final = 1024


async def post_hook(request: Request) -> Response:
    """Take one delivery of a webhook; what is refused is counted and never reaches the log."""
    parts = parts_of(request)
    try:
        item = await _receive(request, parts)
    except Refused as refusal:
        parts.rejections.count(refusal.kind)
        raise
    return accepted(await parts.appender.submit([item]))


async def _receive(request: Request, parts: Parts) -> Item:
    slug = request.path_params["slug"]
    try:
        webhook = await parts.webhooks.get(slug)
    except NotFound as error:
        raise Refused(404, "unknown-webhook", str(error)) from error
    body = await read_body(request, min(_MOST_READ, parts.settings.max_body))
    preset = webhook.get("preset") or "generic"
    try:
        verify(preset, webhook.get("secret") or "", request.headers, body)
    except WrongSignature as error:
        raise Refused(401, "wrong-signature", f"webhook {slug}: {error}") from error
    payload = _parse(body, request.headers.get("content-type", ""))
    return make_item(slug, preset, request.headers, payload)


def _parse(body: bytes, content_type: str) -> dict[str, Any]:
    """Return the JSON of a delivery, which GitHub can also put into a form."""
    try:
        if content_type.lower().startswith("application/x-www-form-urlencoded"):
            body = parse_qs(body.decode(), max_num_fields=8)["payload"][0].encode()
        payload = from_json(body, allow_inf_nan=False)
    except KeyError:
        raise Refused(400, "not-json", "the form has no field 'payload'") from None
    except ValueError as error:
        raise Refused(400, "not-json", f"the delivery is not JSON: {error}") from error
    return payload if isinstance(payload, dict) else {"body": payload}


def make_item(slug: str, preset: str, headers: Mapping[str, str], payload: dict[str, Any]) -> Item:
    """Return a delivery's event as the log takes it; pure.

    A provider's delivery id is the event's id. It is told apart by slug, since GitHub sends one
    id to every hook that subscribes to the same happening.

    Raises:
        Refused: 400 the delivery id is no id, or the payload can't be kept; 413 too large.
    """
    delivery = _delivery_id(preset, headers)
    event = Event(
        id=delivery or new_id(),
        event=f"webhook.{slug}",
        resource=_resource(slug, preset, headers, payload),
        payload=payload,
    )
    try:
        body = event.to_json()
    except InvalidEvent as error:
        raise unfit(f"webhook {slug}", error) from error
    if (way := not_finite(payload)) is not None:
        raise Refused(400, "not-json", f"webhook {slug}: payload.{way}: {NOT_FINITE}")
    return (f"webhook.{slug}:{delivery}" if delivery else "", body)


def _delivery_id(preset: str, headers: Mapping[str, str]) -> str | None:
    for name in _DELIVERY.get(preset, ()):
        if given := headers.get(name):
            try:
                return _EVENT_ID.validate_python(given)
            except ValidationError as error:
                detail = f"the header {name} is no id: {error.errors()[0]['msg']}"
                raise Refused(400, "wrong-id", detail) from error
    return None


def _resource(
    slug: str, preset: str, headers: Mapping[str, str], payload: dict[str, Any]
) -> dict[str, str]:
    resource = {"id": f"webhook.{slug}", "name": slug, "provider": preset}
    if preset == "github":
        found = {
            "provider_event": headers.get("x-github-event"),
            "action": payload.get("action"),
            "repository": _inner(payload, "repository", "full_name"),
            "sender": _inner(payload, "sender", "login"),
        }
        for label, value in found.items():
            if isinstance(value, str) and value:
                resource[label] = value[:_LONGEST_LABEL]
    return resource


def _inner(payload: dict[str, Any], outer: str, inner: str) -> Any:
    value = payload.get(outer)
    return value.get(inner) if isinstance(value, dict) else None
