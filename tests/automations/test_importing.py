"""Automations of Prefect become ones of Upshot, and what has no equal is told in a line each."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from upshot.automations.exceptions import InvalidDefinition
from upshot.automations.files.loading import loads
from upshot.automations.importing import Imported, import_prefect, to_yaml

DEPLOYMENT = "0f9f2c1e-3f5c-4a62-9a3b-3ad5ba2d54d5"
BLOCK = "5f0f9f60-7a44-4f43-a8f4-9c4b7a1b0c11"
NAMES = {DEPLOYMENT: "etl/nightly", BLOCK: "oncall"}
EXPORT = f"""
id: 7b2d3c5e-0c1f-4f2e-8b6a-9d1e2f3a4b5c
created: '2026-01-05T10:00:00Z'
updated: '2026-01-05T10:00:00Z'
name: Heal & tell
description: Retries what failed
enabled: true
tags: [prod]
trigger:
  type: event
  id: 11111111-2222-3333-4444-555555555555
  match: {{prefect.resource.id: prefect.flow-run.*}}
  match_related:
    - {{prefect.resource.role: deployment, prefect.resource.id: prefect.deployment.{DEPLOYMENT}}}
    - {{prefect.resource.role: tag, prefect.resource.id: prefect.tag.prod}}
  after: []
  expect: [prefect.flow-run.Failed, prefect.flow-run.Crashed]
  for_each: [prefect.resource.id, "related:flow:prefect.resource.id"]
  posture: Reactive
  threshold: 2
  within: 600.0
actions:
  - type: run-deployment
    source: selected
    deployment_id: {DEPLOYMENT}
    parameters:
      cause: {{__prefect_kind: jinja, template: "{{{{ event.resource['prefect.resource.id'] }}}}"}}
      limit: {{__prefect_kind: json, value: "[1, 2]"}}
      env: {{__prefect_kind: workspace_variable, variable_name: stage}}
      plain: 3
  - type: send-notification
    block_document_id: {BLOCK}
    subject: "{{{{ flow.name }}}} failed"
    body: "{{{{ flow_run.name }}}} is {{{{ flow_run.state.name }}}}"
actions_on_trigger: []
actions_on_resolve: []
"""


def one(document: Any, **names: str) -> Imported:
    (found,) = import_prefect(json.dumps(document), names=names)
    return found


def event(**trigger: Any) -> dict[str, Any]:
    found = one({"name": "a", "trigger": trigger, "actions": [{"type": "do-nothing"}]})
    assert found.definition is not None, found.notes
    return found.definition


def acting(*actions: Any, **more: Any) -> Imported:
    trigger = {"type": "event", "expect": ["prefect.flow-run.*"]}
    return one({"name": "a", "trigger": trigger, "actions": list(actions), **more}, **NAMES)


def test_an_export_becomes_what_it_means() -> None:
    (found,) = import_prefect(EXPORT, names=NAMES)
    assert found.definition == {
        "name": "Heal - tell",
        "description": "Retries what failed",
        "tags": ["prod"],
        "trigger": {
            "type": "event",
            "posture": "Reactive",
            "expect": ["flow-run.failed", "flow-run.crashed"],
            "match": {"id": "flow-run.*", "state": ["Crashed", "Failed"]},
            "match_related": [
                {"role": "deployment", "name": "etl/nightly"},
                {"role": "tag", "id": "tag.prod"},
            ],
            "for_each": ["id", "related:flow:id"],
            "threshold": 2,
            "within": "10m",
        },
        "actions": [
            {
                "run-deployment": {
                    "deployment": "etl/nightly",
                    "parameters": {
                        "cause": "{{ event.resource['id'] }}",
                        "limit": [1, 2],
                        "env": "{{ variables.stage }}",
                        "plain": 3,
                    },
                }
            },
            {
                "notify": {
                    "to": "oncall",
                    "title": "{{ flow_run.flow }} failed",
                    "body": "{{ flow_run.name }} is {{ flow_run.state.name }}",
                }
            },
        ],
    }
    assert [str(note) for note in found.notes] == ["name: is 'Heal - tell' here"]


def test_what_is_written_is_read_again_as_it_was_meant() -> None:
    found = import_prefect(EXPORT)
    text = to_yaml(found)
    (read,) = loads(text).automations
    assert read.name == "Heal - tell"
    assert read.enabled is False
    comments = [line for line in text.splitlines() if line.startswith("  # ")]
    assert len(comments) == len(found[0].notes) == 5
    assert yaml.safe_load(text)["automations"] == [found[0].definition]


def test_an_id_that_nobody_explained_disables_the_automation_and_says_what_to_do() -> None:
    (found,) = import_prefect(EXPORT)
    assert found.definition is not None
    assert found.definition["enabled"] is False
    told = {note.field: note.message for note in found.notes}
    assert f"--name {BLOCK}=NAME" in told["actions.1.block_document_id"]
    assert "trigger.match_related.0.prefect.resource.id" in told
    assert "enabled" in told


@pytest.mark.parametrize(
    ("expect", "names", "states"),
    [
        (["prefect.flow-run.Failed"], ["flow-run.failed"], "Failed"),
        (["prefect.flow-run.Failed", "prefect.flow-run.TimedOut"], ["flow-run.failed"], None),
        (["prefect.flow-run.Crashed"], ["flow-run.crashed"], None),
        (["prefect.flow-run.Late"], ["flow-run.scheduled"], "Late"),
        (["prefect.flow-run.*"], ["flow-run.*"], None),
        (["prefect.task-run.Completed"], ["task-run.completed"], "Completed"),
        (["order.placed"], ["order.placed"], None),
        (["Order.Placed"], ["order.placed"], None),
        ([], ["*"], None),
    ],
)
def test_names_of_states_become_types_with_the_state_where_it_matters(
    expect: list[str], names: list[str], states: str | None
) -> None:
    trigger = event(expect=expect)["trigger"]
    assert trigger["expect"] == names
    assert trigger.get("match", {}).get("state") == states


@pytest.mark.parametrize(
    ("given", "within"),
    [(0, "0s"), (90, "1m30s"), (600.0, "10m"), ("PT2H", "2h"), ("1:00:00", "1h"), ("45", "45s")],
)
def test_durations_are_read_however_they_are_written(given: Any, within: str) -> None:
    assert event(expect=["a.b"], within=given)["trigger"]["within"] == within


def test_absence_has_the_length_that_prefect_gives_it() -> None:
    assert event(expect=["a.b"], posture="Proactive")["trigger"]["within"] == "10s"


def test_what_opens_without_a_limit_gets_a_very_long_one() -> None:
    assert event(expect=["a.b"], after=["c.d"])["trigger"]["within"] == "3650d"


@pytest.mark.parametrize(
    ("query", "made"),
    [
        (
            {"name": "successes", "operator": "<", "threshold": 0.9, "range": 3600.0},
            {"metric": "success_rate", "threshold": 0.9, "range": "1h", "firing_for": "5m"},
        ),
        (
            {"name": "successes", "operator": "<", "threshold": 90, "firing_for": 600},
            {"metric": "success_rate", "threshold": 0.9, "range": "5m", "firing_for": "10m"},
        ),
        (
            {"name": "duration", "operator": ">=", "threshold": 30},
            {"metric": "duration", "threshold": 30.0, "range": "5m", "firing_for": "5m"},
        ),
    ],
    ids=str,
)
def test_metrics_keep_what_they_measure(query: Any, made: dict[str, Any]) -> None:
    related = {"prefect.resource.role": "flow", "prefect.resource.name": "etl"}
    trigger = event(type="metric", posture="Metric", match_related=related, metric=query)["trigger"]
    assert trigger == {
        "type": "metric",
        "operator": query["operator"],
        "match_related": {"role": "flow", "name": "etl"},
        **made,
    }


def test_compounds_and_sequences_keep_their_triggers() -> None:
    inner = {"type": "event", "expect": ["prefect.flow-run.Crashed"]}
    made = event(type="compound", require=1, within=60, triggers=[inner, {"expect": ["a.b"]}])
    assert made["trigger"]["require"] == 1
    assert made["trigger"]["within"] == "1m"
    assert [part["expect"] for part in made["trigger"]["triggers"]] == [
        ["flow-run.crashed"],
        ["a.b"],
    ]
    assert event(triggers=[inner, inner])["trigger"]["type"] == "sequence"


@pytest.mark.parametrize(
    ("given", "made"),
    [
        (
            {"type": "run-deployment", "source": "inferred"},
            {"run-deployment": {"deployment": "{{ deployment.name }}"}},
        ),
        (
            {"type": "call-webhook", "block_document_id": BLOCK, "payload": "{{ event.id }}"},
            {"call-webhook": {"url": "https://oncall.invalid/", "body": "{{ event.id }}"}},
        ),
        (
            {"type": "send-notification", "block_document_id": BLOCK, "body": "{{ x.y }}"},
            {"notify": {"to": "oncall", "body": "{% raw %}{{ x.y }}{% endraw %}"}},
        ),
        ({"type": "cancel-flow-run"}, {"cancel-flow-run": {}}),
        ({"type": "suspend-flow-run"}, {"pause-flow-run": {}}),
        ({"type": "resume-flow-run"}, {"resume-flow-run": {}}),
        (
            {"type": "change-flow-run-state", "state": "FAILED", "message": "m"},
            {"change-flow-run-state": {"state": "Failed", "message": "m"}},
        ),
        (
            {"type": "change-flow-run-state", "state": "SCHEDULED", "name": "AwaitingRetry"},
            {"change-flow-run-state": {"state": "AwaitingRetry"}},
        ),
        (
            {"type": "change-flow-run-state", "state": "CANCELLED", "name": "Rejected"},
            {"change-flow-run-state": {"state": "Cancelled"}},
        ),
        ({"type": "change-flow-run-state", "state": "PAUSED"}, {"pause-flow-run": {}}),
        (
            {"type": "pause-deployment", "source": "selected", "deployment_id": DEPLOYMENT},
            {"pause-deployment": {"deployment": "etl/nightly"}},
        ),
        ({"type": "resume-deployment", "source": "inferred"}, {"resume-deployment": {}}),
        (
            {"type": "pause-work-pool", "source": "selected", "work_pool_id": BLOCK},
            {"pause-work-pool": {"work_pool": "oncall"}},
        ),
        ({"type": "resume-work-pool", "source": "inferred"}, {"resume-work-pool": {}}),
        (
            {"type": "pause-automation", "source": "selected", "automation_id": BLOCK},
            {"pause-automation": {"automation": "oncall"}},
        ),
        ({"type": "resume-automation", "source": "inferred"}, {"resume-automation": {}}),
    ],
    ids=str,
)
def test_actions_become_what_they_mean(given: dict[str, Any], made: dict[str, Any]) -> None:
    found = acting(given)
    assert found.definition is not None, found.notes
    assert found.definition["actions"] == [made]
    assert loads(to_yaml([found])).automations[0].actions[0].type == next(iter(made))


@pytest.mark.parametrize(
    ("document", "field", "words"),
    [
        ({"actions": [{"type": "declare-incident"}]}, "actions.0", "declare-incident"),
        ({"actions": [{"type": "pause-work-queue"}]}, "actions.0", "pause-work-queue"),
        ({"actions": [{"type": "change-flow-run-state", "state": "RUNNING"}]}, "actions.0.state",
         "no action puts a run into 'Running'"),
        ({"actions": [{"type": "change-flow-run-state", "state": "FAILED", "name": "Odd"}]},
         "actions.0.name", "it is Failed"),
        ({"actions_on_resolve": [{"type": "do-nothing"}]}, "actions_on_resolve", "on_resolve"),
        ({"trigger": {"match": {"prefect.run-count": "3"}}}, "trigger.match.prefect.run-count",
         "no label"),
        ({"trigger": {"expect": ["prefect.block.loaded"]}}, "trigger.expect", "block.loaded"),
        ({"trigger": {"expect": ["a.b"], "cron": "x"}}, "trigger.cron", "not known"),
        ({"wat": 1}, "wat", "not known"),
        ({"name": "Ünïcode!"}, "name", "here"),
        ({"actions": [{"type": "run-deployment", "deployment_id": DEPLOYMENT,
                       "job_variables": {"a": 1}}]}, "actions.0.job_variables", "left out"),
        ({"actions": [{"type": "do-nothing"}]}, "actions.0", "nothing"),
    ],
)  # fmt: skip
def test_each_thing_without_an_equal_has_its_line(
    document: dict[str, Any], field: str, words: str
) -> None:
    base = {"name": "a", "trigger": {"expect": ["a.b"]}, "actions": [{"type": "do-nothing"}]}
    found = one({**base, **document}, **NAMES)
    assert [note for note in found.notes if note.field == field and words in note.message]


@pytest.mark.parametrize(
    "trigger",
    [
        {"type": "lunar"},
        {"type": "metric", "metric": {"name": "mood"}},
        {"expect": ["a.b"], "threshold": 3},
        {"expect": ["a.b"], "within": "soon"},
        {"type": "compound", "triggers": []},
        "nonsense",
    ],
    ids=str,
)
def test_a_trigger_without_an_equal_leaves_the_automation_out_and_says_why(trigger: Any) -> None:
    good = {"name": "good", "trigger": {"expect": ["a.b"]}, "actions": [{"type": "do-nothing"}]}
    found = import_prefect(json.dumps([{"name": "bad", "trigger": trigger}, good]))
    assert found[0].definition is None
    assert any("can't be brought over" in note.message for note in found[0].notes)
    assert [each.name for each in loads(to_yaml(found)).automations] == ["good"]


def test_the_same_name_twice_becomes_two() -> None:
    each = {"name": "a", "trigger": {"expect": ["a.b"]}, "actions": [{"type": "do-nothing"}]}
    found = import_prefect(json.dumps({"automations": [each, each]}))
    assert [each.definition and each.definition["name"] for each in found] == ["a", "a 2"]


@pytest.mark.parametrize("text", ["", "{", "[]", "[1]", "name: a", "just text", "a: [1\n b"])
def test_what_is_no_export_is_refused(text: str) -> None:
    with pytest.raises(InvalidDefinition, match=r"export\.yaml"):
        import_prefect(text, source="export.yaml")
