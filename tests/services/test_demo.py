"""What the demo is made of: deliveries signed as GitHub does it, and the timeline of events."""

from __future__ import annotations

import hashlib
import hmac
import importlib.util
from collections import Counter
from types import ModuleType
from typing import Any

import pytest

from upshot.services.demo.deliveries import Delivery, recorded
from upshot.services.demo.stage import EXAMPLES
from upshot.services.demo.steps import require, until
from upshot.services.demo.story import Cast
from upshot.services.demo.timeline import timeline
from upshot.services.exceptions import DemoFailed


@pytest.fixture(scope="module")
def flows() -> ModuleType:
    path = EXAMPLES / "github" / "flows.py"
    spec = importlib.util.spec_from_file_location("github_example_flows", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_delivery_is_signed_over_the_bytes_that_are_sent() -> None:
    delivery = Delivery("push", {"ref": "refs/heads/main"}, "an-id")
    expected = hmac.new(b"secret", b'{"ref":"refs/heads/main"}', hashlib.sha256).hexdigest()

    headers = delivery.headers("secret")

    assert headers["X-Hub-Signature-256"] == f"sha256={expected}"
    assert headers["X-GitHub-Delivery"] == "an-id"


def test_the_recorded_deliveries_give_every_part_of_the_story() -> None:
    cast = Cast(recorded())

    assert cast.broken is not cast.killed
    assert len(cast.killed.conclusions) >= 6  # long enough to be killed on the way
    ends = Counter(cast.expected(each) for each in cast.reported)
    assert ends == {("Failed", 2): 1, ("Completed", 2): 1, ("Completed", 1): len(cast.all) - 3}


def test_every_reading_of_the_deliveries_gives_them_new_ids() -> None:
    ids = [each.id for each in (*recorded(), *recorded())]

    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("delivery", recorded(), ids=lambda each: each.title)
def test_every_recorded_delivery_has_items(delivery: Delivery, flows: ModuleType) -> None:
    items = flows.items_of(delivery.payload)

    assert items
    assert all(isinstance(record, dict) for _, record in items)
    if delivery.conclusions:
        assert [record["conclusion"] for _, record in items] == delivery.conclusions


@pytest.mark.parametrize(
    ("payload", "kinds"),
    [
        ({"commits": [{"id": 1}, {"id": 2}], "repository": {}}, ["commits", "commits"]),
        ({"release": {"assets": [], "id": 3}, "repository": {}}, ["release"]),
        ({"action": "created", "repository": {}, "sender": {}}, ["repository", "sender"]),
        ({"zen": "Anything added dilutes everything else."}, []),
    ],
)
def test_items_are_what_a_delivery_is_about(
    payload: dict[str, Any], kinds: list[str], flows: ModuleType
) -> None:
    assert [kind for kind, _ in flows.items_of(payload)] == kinds


def _event(name: str, number: int, **fields: Any) -> dict[str, Any]:
    return {
        "id": f"e{number}",
        "event": name,
        "resource": {"id": "r"},
        "payload": {},
        "follows": None,
        "received": f"2026-01-01T00:00:0{number}+00:00",
        **fields,
    }


def _run_event(number: int, kind: str, attempt: int, message: str = "") -> dict[str, Any]:
    state = {"type": kind, "name": kind, "message": message}
    payload = {"state": state, "attempt": attempt}
    resource = {"id": "flow-run.1", "name": "otter"}
    return _event(f"flow-run.{kind.lower()}", number, payload=payload, resource=resource)


def test_the_timeline_tells_what_happened_and_why() -> None:
    labels = {"provider_event": "issues", "action": "labeled"}
    fired = {"reason": "threshold_reached", "actions": ["run-deployment"]}
    events = [
        _event("webhook.created", 0, id="defined", resource={"id": "webhook.1", "name": "github"}),
        _event("webhook.github", 0, resource={"id": "webhook.github", **labels}),
        _event(
            "automation.fired", 1, follows="e0", payload=fired, resource={"id": "a", "name": "rule"}
        ),
        _run_event(2, "Running", attempt=1),
        _run_event(3, "Crashed", attempt=1, message="killed by signal 9\nmore"),
        _run_event(4, "Running", attempt=2),
        {**_run_event(5, "Completed", attempt=2), "follows": "e1"},
        _event("webhook.github", 6, resource={"id": "webhook.github", "provider_event": "ping"}),
        _event("action.failed", 7, resource={"id": "x", "type": "notify", "automation": "rule"}),
    ]

    lines = [(line.what, line.why) for line in timeline(events)]

    assert lines == [
        ("rule fires: run-deployment", "threshold_reached: delivery issues/labeled"),
        ("run otter is Crashed", "killed by signal 9"),
        ("run otter goes on", "attempt 2"),
        ("run otter is Completed", "begun by delivery issues/labeled"),
        ("delivery ping arrives", "no automation waits for it"),
        ("notify failed", "for rule"),
    ]


def test_waiting_ends_with_what_was_expected() -> None:
    answers = iter([None, None, "here"])

    assert until("it comes", lambda: next(answers)) == "here"
    with pytest.raises(DemoFailed, match="it never comes"):
        until("it never comes", lambda: None, seconds=0)
    with pytest.raises(DemoFailed, match="said why"):
        require(False, "said why")
