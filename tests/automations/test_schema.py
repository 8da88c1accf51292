"""The schemas that editors use agree with what is accepted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from upshot.automations.actions import ACTIONS
from upshot.automations.files.loading import Definitions
from upshot.automations.files.schema import KINDS, schema

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(ROOT.glob("examples/**/*.yaml"))
AUTOMATION: dict[str, Any] = {
    "name": "a",
    "trigger": {"expect": ["a.b"]},
    "actions": [{"retry-flow-run": None}],
}


def automation(**changes: Any) -> dict[str, Any]:
    return {"automations": [{**AUTOMATION, **changes}]}


def accepted(document: Any) -> bool:
    try:
        Definitions.model_validate(document)
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_has_a_schema_that_is_one(kind: str) -> None:
    made = schema(kind)
    Draft202012Validator.check_schema(made)
    assert made["$id"].endswith(kind)
    assert "x-one-or-many" not in str(made)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_the_examples_are_what_the_schema_says(path: Path) -> None:
    Draft202012Validator(schema("file")).validate(yaml.safe_load(path.read_text()))


@pytest.mark.parametrize(
    "document",
    [
        {},
        automation(),
        automation(trigger={"expect": "a.b", "for_each": "id", "match_related": {"role": "x"}}),
        automation(trigger={"type": "event", "expect": ["a.*"], "within": 90, "threshold": 2}),
        automation(trigger={"expect": ["a.*"], "within": "1h 30m", "match": {"x": ["!a", "b*"]}}),
        automation(actions=[{"notify": {"to": "x"}}, {"notify": {"to": ["x", "y"], "if": "true"}}]),
        automation(trigger={"type": "compound", "triggers": [{"expect": ["a.b"]}]}),
        automation(
            trigger={
                "type": "metric",
                "metric": "success_rate",
                "operator": "<",
                "threshold": "90%",
                "range": "1h",
                "flow": "etl",
            }
        ),
        automation(
            trigger={
                "type": "metric",
                "metric": "value",
                "value": "event.payload.ms",
                "expect": "a.b",
                "operator": ">",
                "threshold": 1.5,
            }
        ),
        automation(trigger={"type": "metric", "metric": "mood", "operator": "<", "threshold": 1}),
        automation(trigger={"type": "deadline", "deployment": "a/b", "by": "07:00"}),
        automation(trigger={"type": "deadline", "flow": "a", "within": "1h", "of": "start"}),
        automation(trigger={"type": "freshness", "expect": ["a.b"], "within": "1h"}),
        automation(trigger={"type": "schedule", "cron": "0 7 * * *", "timezone": "UTC"}),
        automation(trigger={"type": "schedule", "interval": "1h"}),
        automation(control={"throttle": {"limit": 1, "per": "1h", "key": "id"}, "max_depth": 2}),
        automation(control={"throttle": {"limit": 1, "per": "1h", "excess": "drip"}}),
        automation(control={"throttle": {"per": "1h"}}),
        automation(control={"debounce": {"period": 5, "keep": "all", "key": ["a", "payload.b"]}}),
        automation(control={"batch": {"max_size": 10, "timeout": "1m"}, "mode": "parallel"}),
        automation(control={"mode": "serial"}),
        automation(control={"throtle": {}}),
        automation(
            budget={"max": 3, "within": "1d", "per": "id", "then": [{"notify": {"to": "x"}}]}
        ),
        automation(budget={"max": 0, "within": "1d"}),
        automation(resolve={"expect": "a.b"}, on_resolve=[{"notify": {"to": "x"}}]),
        automation(conditions=["event.payload.n > 1"], shadow=True),
        automation(trgger={}),
        automation(trigger={"expct": ["a.b"]}),
        automation(trigger={"expect": ["A b"]}),
        automation(trigger={"type": "evnt", "expect": ["a.b"]}),
        automation(trigger={"triggers": [{"expect": ["a.b"]}]}),
        automation(trigger={"expect": ["a.b"], "within": "soon"}),
        automation(trigger={"expect": ["a.b"], "within": "1x"}),
        automation(trigger={"expect": ["a.b"], "threshold": 0, "within": 1}),
        automation(trigger={"expect": ["a.b"], "posture": "Lazy"}),
        automation(actions=[]),
        automation(actions=["retry-flow-run"]),
        automation(actions=[{"notify": {"to": "x"}, "retry-flow-run": {}}]),
        automation(actions=[{"notfy": {"to": "x"}}]),
        automation(actions=[{"notify": {}}]),
        automation(actions=[{"notify": {"to": "x", "severity": "bad"}}]),
        automation(name=""),
        {"automatons": []},
        {"webhooks": [{"name": "github", "preset": "github", "secret": "s"}]},
        {"webhooks": [{"name": "Git Hub"}]},
        {"variables": [{"name": "a", "value": {"any": ["thing"]}}]},
        {"variables": [{"name": "a b", "value": 1}]},
    ],
    ids=str,
)
def test_the_schema_accepts_what_is_accepted_and_nothing_else(document: Any) -> None:
    assert Draft202012Validator(schema("file")).is_valid(document) == accepted(document)


def test_every_kind_of_action_and_field_is_described() -> None:
    made = schema("file")
    (actions,) = [
        each["properties"]["actions"]["items"]
        for name, each in made["$defs"].items()
        if name == "Automation"
    ]
    assert set(actions["properties"]) == set(ACTIONS)
    undescribed = [
        f"{name}.{field}"
        for name, each in made["$defs"].items()
        for field, described in each.get("properties", {}).items()
        if not described.get("description") and field not in ("type", "not")
    ]
    assert undescribed == []
