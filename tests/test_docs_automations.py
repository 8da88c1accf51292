"""The page on automations: every example passes the tests that it carries."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from upshot.automations.actions import ACTIONS
from upshot.automations.definition import Automation
from upshot.automations.files.loading import loads
from upshot.automations.triggers.kinds import TYPES
from upshot.automations.trying.testing import run

PAGE = (Path(__file__).parents[1] / "docs" / "automations.md").read_text()
EXAMPLES = [
    automation
    for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    for automation in loads(block).automations
]


@pytest.mark.parametrize("example", EXAMPLES, ids=[each.name for each in EXAMPLES])
def test_an_example_passes_its_own_tests(example: Automation) -> None:
    ended = list(run(example))
    assert ended
    assert [each.problems for each in ended] == [()] * len(ended)


def test_every_kind_of_action_is_shown() -> None:
    actions = {action.type for each in EXAMPLES for action in each.actions}
    assert actions == ACTIONS
    assert all(f"`{kind}`" in PAGE.partition("## Actions")[2] for kind in ACTIONS)


def test_every_type_of_trigger_is_shown() -> None:
    assert {each.trigger.type for each in EXAMPLES} == set(TYPES)


def test_every_part_of_control_is_shown() -> None:
    parts = {part for each in EXAMPLES for part in each.model_fields_set}
    parts |= {part for each in EXAMPLES for part in each.control.model_fields_set}
    assert {"budget", "resolve", "on_resolve"} <= parts
    assert {"debounce", "batch", "throttle", "mode", "max_depth"} <= parts
