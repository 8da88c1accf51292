"""The examples load as they stand, and decide what their first lines promise."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from upshot.automations import Automation, Evaluator, Firing
from upshot.automations.exceptions import InvalidDefinition
from upshot.automations.loading import Definitions, load, loads
from upshot.automations.testing import run
from upshot.events.event import Event, Recorded

EXAMPLES = Path(__file__).parents[2] / "examples"
README = (EXAMPLES.parent / "README.md").read_text()
ENVIRONMENT = {
    "GITHUB_SECRET": "a secret",
    "ONCALL_MAIL": "json://127.0.0.1:9000/",
    "ONCALL_HOOK": "json://127.0.0.1:9000/",
}


@pytest.fixture(scope="module")
def definitions() -> Definitions:
    return load([EXAMPLES], ENVIRONMENT)


def _automation(definitions: Definitions, name: str) -> Automation:
    return next(each for each in definitions.automations if each.name == name)


def _recorded(name: str, resource: str, at: int) -> Recorded:
    event = Event(event=name, resource={"id": resource})
    return Recorded(f"{at}-0", at, event.model_dump(mode="json"))


def test_all_examples_load_together(definitions: Definitions) -> None:
    folders = {path.parent.name for path in EXAMPLES.glob("*/automations.yaml")}

    assert folders == {"github", "heartbeat", "logins", "words"}
    assert {each.name for each in definitions.webhooks} == {"github"}
    assert {each.name for each in definitions.receivers} == {"oncall-mail", "oncall-hook"}
    assert {each.name for each in definitions.deployments} == {
        "github-report/deliveries",
        "words/these",
    }


def test_the_entrypoints_of_the_examples_exist(definitions: Definitions) -> None:
    for deployment in definitions.deployments:
        path, _, function = deployment.entrypoint.rpartition(":")
        assert f"def {function}(" in Path(path).read_text()


def test_a_missing_secret_is_named_with_its_line() -> None:
    without = {key: value for key, value in ENVIRONMENT.items() if key != "GITHUB_SECRET"}

    with pytest.raises(InvalidDefinition, match=r"automations\.yaml:\d+:\d+: .*GITHUB_SECRET"):
        load([EXAMPLES], without)


def test_every_automation_of_the_examples_passes_its_own_tests(definitions: Definitions) -> None:
    for automation in definitions.automations:
        ended = run(automation)
        assert ended, f"{automation.name} has no tests"
        assert [each.to_dict() for each in ended if not each.passed] == []


def test_the_automations_of_the_readme_pass_their_own_tests() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    ended = [each for block in blocks for rule in loads(block).automations for each in run(rule)]
    assert len(ended) == 1
    assert [each.problems for each in ended] == [()]


def test_three_failed_logins_of_one_user_fire_once(definitions: Definitions) -> None:
    evaluator = Evaluator()
    evaluator.define(_automation(definitions, "suspicious-logins"), 1, 0)
    users = ["user.ana", "user.ben", "user.ana", "user.ben", "user.ana", "user.ana"]

    fired = [
        (at, outcome.labels)
        for at, user in enumerate(users, 1)
        for outcome in evaluator.on_event(_recorded("login.failed", user, at * 1000))
        if isinstance(outcome, Firing)
    ]

    assert fired == [(5, {"id": "user.ana"})]


def test_only_the_sensor_that_fell_silent_fires(definitions: Definitions) -> None:
    evaluator = Evaluator()
    evaluator.define(_automation(definitions, "silent-sensors"), 1, 0)
    beats = [("sensor.attic", 1_000), ("sensor.cellar", 2_000), ("sensor.attic", 50_000)]
    for sensor, at in beats:
        assert evaluator.on_event(_recorded("sensor.heartbeat", sensor, at)) == []

    assert evaluator.advance(62_000) == []
    fired = [each for each in evaluator.advance(62_001) if isinstance(each, Firing)]
    assert [each.labels for each in fired] == [{"id": "sensor.cellar"}]
    assert evaluator.advance(70_000) == []
