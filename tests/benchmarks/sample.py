"""The events that benchmarks send: about 330 bytes each, with ids that the sender chose."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

from pydantic_core import to_json

from upshot.events.event import Event

T = TypeVar("T")


def order_event(
    number: int, *, name: str = "order.created", customer: str = "customer.none"
) -> dict[str, Any]:
    """Return an event as a program of the outside would send it."""
    return {
        "id": f"order-{number:012d}",
        "event": name,
        "occurred": "2026-11-20T07:00:00.123456Z",
        "resource": {"id": customer, "name": f"order {number}", "region": "eu-west"},
        "related": [{"id": "shop.17", "role": "shop", "name": "books"}],
        "payload": {"order": number, "amount": 1999, "currency": "EUR", "items": ["a", "b"]},
    }


def recorded_form(event: dict[str, Any]) -> bytes:
    """Return an event in the bytes that the log keeps."""
    return Event.model_validate(event).to_json()


def lines(events: list[dict[str, Any]]) -> bytes:
    """Return events as NDJSON."""
    return b"\n".join(map(to_json, events))


def chunks(items: list[T], size: int) -> Iterator[list[T]]:
    """Yield the items so many at a time."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
