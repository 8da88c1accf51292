"""What an action is about: what it names, or what the event concerns; never itself by accident."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from upshot.automations.actions import Action, BaseAction
from upshot.automations.exceptions import TemplateFailed
from upshot.events.ids import derived_id

ADAPTER = TypeAdapter[BaseAction](Action)
ITSELF = {"id": derived_id("automation", "healer"), "name": "healer"}


def named(kind: str, name: str) -> dict[str, str]:
    return {"id": f"{kind}.{derived_id(kind, name)}", "role": kind, "name": name}


EVENT: dict[str, Any] = {
    "resource": {"id": "flow-run.42", "name": "otter"},
    "related": [
        named("deployment", "etl/nightly"),
        named("work-pool", "heavy"),
        named("automation", "storm"),
    ],
    "payload": {"n": 3, "to": "Failed"},
}


def render(action: dict[str, Any], event: dict[str, Any] | None = None) -> dict[str, Any]:
    values = {"event": EVENT if event is None else event, "automation": ITSELF}
    return ADAPTER.validate_python(action).render(values).arguments


@pytest.mark.parametrize(
    ("action", "arguments"),
    [
        ({"cancel-flow-run": {}}, {"flow_run": "42", "message": ""}),
        (
            {"cancel-flow-run": {"flow_run": "flow-run.{{ event.payload.n }}", "message": "n"}},
            {"flow_run": "3", "message": "n"},
        ),
        ({"pause-flow-run": None}, {"flow_run": "42", "message": ""}),
        ({"resume-flow-run": {"flow_run": "otter"}}, {"flow_run": "otter", "message": ""}),
        (
            {"change-flow-run-state": {"state": "{{ event.payload.to }}"}},
            {"flow_run": "42", "state": "Failed", "message": ""},
        ),
        ({"pause-deployment": {}}, {"name": "etl/nightly"}),
        ({"resume-deployment": {"deployment": " a/b "}}, {"name": "a/b"}),
        ({"pause-work-pool": {}}, {"name": "heavy"}),
        ({"resume-work-pool": {"work_pool": "light"}}, {"name": "light"}),
        ({"pause-automation": {}}, {"name": "storm"}),
        ({"resume-automation": {"automation": "healer"}}, {"name": "healer"}),
        (
            {"set-variable": {"name": "limit", "value": "{{ event.payload.n }}"}},
            {"name": "limit", "value": 3},
        ),
        (
            {"set-variable": {"name": "n_{{ event.payload.n }}", "value": {"a": [None, "{{1}}"]}}},
            {"name": "n_3", "value": {"a": [None, 1]}},
        ),
    ],
)
def test_an_action_is_about_what_it_names_or_what_the_event_concerns(
    action: dict[str, Any], arguments: dict[str, Any]
) -> None:
    assert render(action) == arguments


@pytest.mark.parametrize("kind", ["deployment", "work-pool", "automation"])
def test_without_a_name_nothing_is_switched_that_the_event_does_not_concern(kind: str) -> None:
    with pytest.raises(TemplateFailed, match=f"concerns no {kind.replace('-', ' ')}; name one"):
        render({f"pause-{kind}": {}}, {"resource": {"id": "order.7"}, "related": []})


def test_a_resource_whose_name_is_another_ones_is_known_by_its_id() -> None:
    event = {"resource": {"id": "automation.some-id", "name": "storm"}, "related": []}
    assert render({"pause-automation": {}}, event) == {"name": "some-id"}


@pytest.mark.parametrize(
    "resource", [named("automation", "healer"), {"id": f"automation.{ITSELF['id']}"}]
)
def test_an_automation_pauses_itself_only_when_it_is_named(resource: dict[str, str]) -> None:
    event = {"resource": resource, "related": []}
    with pytest.raises(TemplateFailed, match="this automation itself"):
        render({"pause-automation": {}}, event)
    assert render({"pause-automation": {"automation": "healer"}}, event) == {"name": "healer"}


@pytest.mark.parametrize(
    ("action", "complaint"),
    [
        ({"change-flow-run-state": {"state": "Faild"}}, "did you mean 'Failed'"),
        ({"change-flow-run-state": {"state": "Running"}}, "only the process of a run"),
        ({"change-flow-run-state": {"state": "Suspended"}}, "use pause-flow-run"),
        ({"change-flow-run-state": {"state": "AwaitingUndo"}}, "use cancel-flow-run"),
        ({"change-flow-run-state": {}}, "state"),
        ({"set-variable": {"name": "no name", "value": 1}}, "is no name"),
        ({"set-variable": {"name": "x"}}, "value"),
        ({"pause-work-pool": {"pool": "x"}}, "pool"),
    ],
)
def test_a_wrong_one_is_refused_when_written(action: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        ADAPTER.validate_python(action)


@pytest.mark.parametrize(
    ("action", "complaint"),
    [
        ({"change-flow-run-state": {"state": "{{ 'Pending' }}"}}, "only a worker"),
        ({"set-variable": {"name": "{{ '' }}", "value": 1}}, "is no name"),
        ({"pause-deployment": {"deployment": "{{ '' }}"}}, "deployment: comes out empty"),
    ],
)
def test_what_comes_out_wrong_names_the_field(action: dict[str, Any], complaint: str) -> None:
    with pytest.raises(TemplateFailed, match=complaint):
        render(action)
