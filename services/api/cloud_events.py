"""Makes events of CloudEvents 1.0: one, a batch, or a binary one with its attributes in headers.

type → event, subject (or source) → resource.id, time → occurred, data → payload; ``source`` and
extensions become labels of the resource.
"""

from __future__ import annotations

import asyncio
import re
from base64 import b64encode
from typing import Annotated, Any, Final, Literal
from urllib.parse import unquote
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json
from starlette.datastructures import Headers

from upshot.events.event import Event
from upshot.events.ids import derived_id
from upshot.events.wording import in_words

from ..exceptions import Refused
from .appender import Item
from .parsing import item_of
from .problems import MOST_ERRORS, dotted

_ONE: Final = "application/cloudevents+json"
_BATCH: Final = "application/cloudevents-batch+json"
_IN_TURN: Final = 200
"""Events that are checked in one go."""
_NOT_IN_NAMES: Final = re.compile(r"[^a-z0-9._-]+")
_WORDS: Final = {"event": "type", "resource": "subject", "occurred": "time", "payload": "data"}
_Text = Annotated[str, Field(min_length=1, max_length=1024)]


class CloudEvent(BaseModel):
    """One as it is sent; every attribute besides is an extension.

    Attributes:
        id: unique together with ``source``.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    specversion: Literal["1.0"]
    id: _Text
    source: _Text
    type: _Text
    subject: _Text | None = None
    time: AwareDatetime | None = None
    datacontenttype: str | None = None
    data: Any = None
    data_base64: str | None = None

    def to_event(self) -> Event:
        """Return it as the log keeps it; ValidationError where it can't be kept so."""
        name = _NOT_IN_NAMES.sub("-", self.type.lower())
        fields: dict[str, Any] = {"id": self._id(), "event": name, "payload": self._payload()}
        fields["resource"] = {"id": self.subject or self.source, **self._labels(name)}
        if self.time is not None:
            fields["occurred"] = self.time
        return Event.model_validate(fields)

    def _id(self) -> str:
        """Return what names it alone, as its id does for one source only, unless it is a UUID."""
        try:
            return str(UUID(self.id))
        except ValueError:
            return derived_id("cloud-event", self.source, self.id)

    def _payload(self) -> dict[str, Any]:
        if self.data_base64 is not None:
            return {"data_base64": self.data_base64}
        if isinstance(self.data, dict):
            return self.data
        return {} if self.data is None else {"data": self.data}

    def _labels(self, name: str) -> dict[str, str]:
        extensions = (self.model_extra or {}).items()
        labels = {key: _written(value) for key, value in extensions if value is not None}
        labels["source"] = self.source
        if name != self.type:
            labels["type"] = self.type
        if self._id() != self.id:
            labels["sent_id"] = self.id
        return labels


def _written(value: Any) -> Any:
    """Return an extension as text: they are texts, numbers or truth values."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else value


def are_cloud_events(headers: Headers) -> bool:
    """Tell whether a request says that it brings CloudEvents."""
    return "ce-specversion" in headers or _kind(headers) in (_ONE, _BATCH)


async def parse_cloud_events(body: bytes, headers: Headers) -> list[Item]:
    """Check a body of CloudEvents and return them as the log takes them; all, or none.

    Raises:
        Refused: 400 not JSON; 422 with index and attribute of what is wrong; 413 one too large.
    """
    items = []
    for index, value in enumerate(_sent(body, headers)):
        items.append(item_of(index, _event(index, value)))
        if index % _IN_TURN == _IN_TURN - 1:
            await asyncio.sleep(0)
    return items


def _sent(body: bytes, headers: Headers) -> list[Any]:
    kind = _kind(headers)
    if kind == _BATCH:
        batch = _json(body)
        if not isinstance(batch, list):
            raise Refused(422, "invalid-event", "a batch of CloudEvents is an array")
        return batch
    return [_json(body) if kind == _ONE else _binary(body, headers)]


def _binary(body: bytes, headers: Headers) -> dict[str, Any]:
    attributes: dict[str, Any] = {
        name.removeprefix("ce-"): unquote(value)
        for name, value in headers.items()
        if name.startswith("ce-")
    }
    kind = _kind(headers)
    if not body:
        return attributes
    if kind in ("", "application/json") or kind.endswith("+json"):
        return {**attributes, "data": _json(body)}
    if kind.startswith("text/"):
        return {**attributes, "data": body.decode(errors="replace")}
    return {**attributes, "data_base64": b64encode(body).decode()}


def _kind(headers: Headers) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def _json(body: bytes) -> Any:
    try:
        return from_json(body)
    except ValueError as error:
        raise Refused(400, "not-json", f"the body is not JSON: {error}") from error


def _event(index: int, value: Any) -> Event:
    try:
        return CloudEvent.model_validate(value).to_event()
    except ValidationError as error:
        found = error.errors(include_url=False)
        errors: list[dict[str, object]] = [
            {"index": index, "field": _attribute(wrong["loc"]), "message": in_words(wrong)}
            for wrong in found[:MOST_ERRORS]
        ]
        first = errors[0]
        detail = f"event {index}: {first['field'] or 'event'}: {first['message']}"
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        text = f"{detail}{more}; no event was taken"
        raise Refused(422, "invalid-event", text, errors=errors) from error


def _attribute(location: tuple[int | str, ...]) -> str:
    """Return what a CloudEvent calls a field of an event."""
    first, *rest = location or ("",)
    if first == "resource" and rest and rest[0] != "id":
        return dotted(tuple(rest))  # an extension
    return dotted((_WORDS.get(str(first), first),))
