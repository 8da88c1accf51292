"""The walk through trying a rule works as it is written, command by command, on a real service."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.service import Done, Service
from tests.waiting import eventually

PAGE = (Path(__file__).parents[1] / "docs" / "automations.md").read_text()
WALK = PAGE.partition("\n## Trying a rule\n")[2].partition("\n## ")[0]
RULE = "many-failed-logins"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    running = Service(tmp_path_factory.mktemp("walk"))
    (block,) = re.findall(r"```yaml\n(.*?)```", WALK, re.DOTALL)
    (running.folder / "logins.yaml").write_text(block)
    try:
        yield running.start()
    finally:
        running.stop()


def shadows(service: Service) -> list[dict[str, object]]:
    done = service.run("automation", "firings", RULE, "-o", "json")
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def test_every_step_does_what_the_page_says(service: Service) -> None:
    did: dict[str, Done] = {}
    for line in re.findall(r"^\$ upshot (.*)", WALK, re.MULTILINE):
        if line.startswith("automation firings"):
            eventually(lambda: shadows(service), "the shadow has fired")
        did[line] = service.run(*shlex.split(line))
        assert did[line].returncode == 0, (line, did[line].stderr)
    out = {" ".join(line.split()[:2]): done for line, done in did.items()}
    assert "1 passed" in did["automation test logins.yaml"].stdout
    backtest = did["automation backtest logins.yaml --since 1h"]
    assert "1 firing\n" in backtest.stderr
    assert "login.suspicious" in backtest.stdout
    explained = did[f"automation explain {RULE} --event second"].stdout.splitlines()
    assert explained[1].startswith("  2 of 3, and the window ends ")
    assert "emit-event shadow" in out["automation firings"].stdout
    listed = json.loads(service.run("event", "ls", "-o", "json").stdout)
    assert "login.suspicious" not in [each["event"] for each in listed]
    assert '"shadow": false' in service.run("automation", "inspect", RULE, "-o", "json").stdout
    assert "version 2" in out["automation promote"].stderr
