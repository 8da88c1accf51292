"""What an expression mentions is told with its value."""

from __future__ import annotations

from typing import Any

import pytest

from upshot.automations.expressions.mentions import mentioned

EVENT = {"payload": {"n": 3, "text": "x" * 200, "list": [1, 2]}, "resource": {"name": "nightly-a"}}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("event.payload.n < 3", {"event.payload.n": 3}),
        ("event.payload.m > 1", {"event.payload.m": "missing"}),
        ("event.payload.n.deeper == 1", {"event.payload.n.deeper": "missing"}),
        ("event.resource.name.startsWith('x')", {"event.resource.name": "nightly-a"}),
        ("size(event.payload.list) > 2", {"event.payload.list": "2 items"}),
        ("event.payload.text == 'event.payload.n'", {"event.payload.text": "x" * 100 + "…"}),
        ("has(event.payload.n) && event.payload.n > 2", {"event.payload.n": 3}),
        ("'it\\'s event.payload.n'", {}),
        ("firing.at > 1", {}),
        ("1 < 2", {}),
    ],
)
def test_what_is_mentioned_is_told(source: str, found: dict[str, Any]) -> None:
    assert mentioned(source, {"event": EVENT}) == found


def test_not_more_than_a_few_are_told() -> None:
    source = " || ".join(f"event.payload.f{n} == 1" for n in range(50))
    assert len(mentioned(source, {"event": EVENT})) == 10
