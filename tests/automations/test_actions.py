"""Actions are filled in to plain requests, and say what comes out wrong."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from upshot.automations.actions import ACTIONS, Action, BaseAction
from upshot.automations.exceptions import TemplateFailed

ADAPTER = TypeAdapter[BaseAction](Action)
VALUES: dict[str, Any] = {
    "event": {
        "id": "e1",
        "event": "flow-run.failed",
        "resource": {"id": "flow-run.42", "name": "a"},
        "related": [{"id": "deployment.7", "role": "deployment"}],
        "payload": {"n": 3},
    },
    "firing": {"id": "f1"},
    "automation": {"id": "a1", "name": "nightly"},
}


def render(action: dict[str, Any], values: dict[str, Any] = VALUES) -> dict[str, Any]:
    return ADAPTER.validate_python(action).render(values).arguments


@pytest.mark.parametrize(
    ("action", "arguments"),
    [
        ({"retry-flow-run": {}}, {"flow_run": "42"}),
        ({"retry-flow-run": {"flow_run": "flow-run.9"}}, {"flow_run": "9"}),
        (
            {"run-deployment": {"deployment": "e/n", "parameters": {"n": "{{event.payload.n}}"}}},
            {"deployment": "e/n", "parameters": {"n": 3}},
        ),
        (
            {"notify": {"to": ["a", "b", "a"], "body": "n={{ event.payload.n }}"}},
            {"to": ["a", "b"], "title": "nightly", "body": "n=3", "severity": "info"},
        ),
        (
            {"call-webhook": {"url": "http://x/{{ event.id }}", "headers": {"X-N": "{{ 1 }}"}}},
            {
                "url": "http://x/e1",
                "method": "POST",
                "headers": {"X-N": "1"},
                "body": {"id": "f1", "events": []},
            },
        ),
        (
            {"call-webhook": {"url": "https://x", "method": "GET"}},
            {"url": "https://x", "method": "GET", "headers": {}, "body": None},
        ),
        (
            {"emit-event": {"event": "etl.healed", "payload": {"n": "{{ event.payload.n }}"}}},
            {
                "event": "etl.healed",
                "resource": {"id": "automation.a1", "name": "nightly"},
                "related": [],
                "payload": {"n": 3},
            },
        ),
    ],
)
def test_an_action_is_filled_in(action: dict[str, Any], arguments: dict[str, Any]) -> None:
    assert render(action) == arguments


@pytest.mark.parametrize(
    ("action", "complaint"),
    [
        ({"retry-flow-run": {"flow_run": "{{ event.payload.nope }}"}}, "nope"),
        ({"run-deployment": {"deployment": "{{ '' }}"}}, "comes out empty"),
        ({"notify": {"to": "{{ ' ' }}"}}, "comes out empty"),
        ({"call-webhook": {"url": "{{ event.id }}://x"}}, "no http or https"),
        ({"call-webhook": {"url": "file:///etc/passwd"}}, "no http or https"),
        ({"call-webhook": {"url": "http://x", "headers": {"X": "a\r\nb: c"}}}, "line breaks"),
        ({"emit-event": {"event": "No Name"}}, "comes out wrong"),
        ({"emit-event": {"event": "a.b", "resource": {"name": "x"}}}, "'id' label"),
        (
            {"emit-event": {"event": "a.b", "payload": {"n": "{{ [1e308 * 10] }}"}}},
            r"payload\.n\.0: NaN, Infinity",
        ),
    ],
)
def test_what_comes_out_wrong_is_refused(action: dict[str, Any], complaint: str) -> None:
    with pytest.raises(TemplateFailed, match=complaint):
        render(action)


def test_an_event_without_a_flow_run_can_not_be_retried() -> None:
    with pytest.raises(TemplateFailed, match="no flow run"):
        render({"retry-flow-run": {}}, {"event": {"resource": {"id": "x"}, "related": []}})
    related = {"resource": {"id": "x"}, "related": [{"id": "flow-run.5"}]}
    assert render({"retry-flow-run": {}}, {"event": related})["flow_run"] == "5"


@pytest.mark.parametrize(
    "wrong",
    [
        {"notfy": {}},
        {"notify": {"to": "x"}, "retry-flow-run": {}},
        "retry-flow-run",
        {"notify": {}},
        {"notify": {"to": []}},
        {"notify": {"to": "x", "timeout": 0}},
        {"notify": {"to": "x", "retries": -1}},
        {"notify": {"to": "x", "on_error": "ignore"}},
        {"notify": {"to": "x", "if": "1 +"}},
        {"notify": {"to": "x", "title": "{{"}},
        {"call-webhook": {"url": "http://x", "headers": {"bad name": "x"}}},
    ],
)
def test_a_wrong_action_is_refused_when_written(wrong: Any) -> None:
    with pytest.raises(ValidationError):
        ADAPTER.validate_python(wrong)


def test_every_kind_of_action_is_known_by_its_name() -> None:
    switched = {
        f"{verb}-{what}"
        for verb in ("pause", "resume")
        for what in ("automation", "deployment", "flow-run", "work-pool")
    }
    runs = {"cancel-flow-run", "change-flow-run-state", "retry-flow-run", "run-deployment"}
    others = {"call-webhook", "emit-event", "notify", "set-variable"}
    assert switched | runs | others == ACTIONS
