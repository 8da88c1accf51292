"""Lets pytest collect the ``tests:`` of automations from YAML files; nothing else is imported."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from upshot.automations.definition import Automation
    from upshot.automations.testcases import TestCase
    from upshot.automations.trying.rendering import Lookups


_TOP_LEVEL: Final = re.compile(r"""^[{"']{0,2}automations["']?\s*:""", re.MULTILINE)
"""How a file of automations can be told from other YAML without reading it."""


class Failed(Exception):
    """A test of an automation ended otherwise than expected."""


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect YAML files that have automations with tests."""
    if file_path.suffix not in (".yaml", ".yml"):
        return None
    text = file_path.read_text(errors="replace")
    if not (_TOP_LEVEL.search(text) and "tests" in text):
        return None
    return AutomationFile.from_parent(parent, path=file_path)


class AutomationFile(pytest.File):
    """A file of automations."""

    def collect(self) -> Iterator[pytest.Item]:
        """Yield each test of each automation in it."""
        from upshot.automations.exceptions import InvalidDefinition
        from upshot.automations.files.loading import load
        from upshot.automations.trying.rendering import Lookups

        try:
            found = load([self.path], os.environ)
        except InvalidDefinition as error:
            raise self.CollectError(str(error)) from error
        variables = {each.name: each.value for each in found.variables}
        deployments = {each.name: each.model_dump(mode="json") for each in found.deployments}
        lookups = Lookups(variables, deployments)
        for automation in found.automations:
            for case in automation.tests:
                yield AutomationTest.of(self, automation, case, lookups)


class AutomationTest(pytest.Item):
    """One test of one automation."""

    _asked: tuple[Automation, TestCase, Lookups]

    @classmethod
    def of(
        cls, parent: AutomationFile, automation: Automation, case: TestCase, lookups: Lookups
    ) -> AutomationTest:
        made: AutomationTest = cls.from_parent(parent, name=f"{automation.name}::{case.name}")
        made._asked = (automation, case, lookups)
        return made

    def runtest(self) -> None:
        """Run the test; raise what was otherwise than expected."""
        from upshot.automations.trying.testing import run_one

        ended = run_one(*self._asked)
        if not ended.passed:
            raise Failed("\n".join(ended.problems))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Show what was otherwise than expected, without a traceback."""
        if isinstance(excinfo.value, Failed):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, None, str]:
        """Return how the test is called in reports."""
        return self.path, None, self.name
