"""The page on explaining: its rule passes its own tests, and its commands exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from upshot.automations.files.loading import loads
from upshot.automations.trying.testing import run
from upshot.services.cli.app import app

PAGE = (Path(__file__).parents[1] / "docs" / "explaining.md").read_text()


def test_the_rule_of_the_page_passes_its_own_tests() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    ended = [each for block in blocks for rule in loads(block).automations for each in run(rule)]
    assert len(ended) == 2
    assert [each.problems for each in ended] == [(), ()]


def test_the_commands_of_the_page_exist_with_their_options() -> None:
    from typer.main import get_command

    root = get_command(app)
    commands = [shlex.split(line[2:]) for line in re.findall(r"^\$ .*", PAGE, re.MULTILINE)]
    assert len(commands) == 7
    for _, group, name, *arguments in commands:
        command = root.commands[group].commands[name]  # type: ignore[attr-defined]
        options = {option for each in command.params for option in each.opts}
        assert {each for each in arguments if each.startswith("--")} <= options
