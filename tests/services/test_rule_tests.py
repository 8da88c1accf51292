"""The tests beside a rule: from the command line, over HTTP, and collected by pytest."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic_core import to_json

from tests.services.api_served import served
from upshot.services.cli import app as cli


def rule(expected: int) -> dict[str, Any]:
    event = {"event": "order.placed", "resource": {"id": "order.1"}}
    expect = [{"actions": [{"notify": {"title": "order.1 for ops"}}]}] * expected
    title = "{{ event.resource.id }} for {{ variables.team }}"
    return {
        "name": f"orders-{expected}",
        "trigger": {"expect": ["order.placed"]},
        "actions": [{"notify": {"to": "ops", "title": title}}],
        "tests": [{"name": "one order", "events": [event], "expect": expect}],
    }


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    file = tmp_path / "rules.yaml"
    variables = [{"name": "team", "value": "ops"}]
    file.write_bytes(to_json({"automations": [rule(1), rule(2)], "variables": variables}))
    return file


def test_the_command_line_prints_like_pytest_and_exits_with_1(
    rules: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["automation", "test", str(rules)]) == 1
    shown = capsys.readouterr().out
    assert f"{rules}::orders-1::one order PASSED" in shown
    assert f"{rules}::orders-2::one order FAILED" in shown
    assert "E   expected 2 firings, actual 1" in shown
    assert "1 failed, 1 passed in" in shown
    assert cli.run(["automation", "test", str(rules), "--output", "json"]) == 1
    assert json.loads(capsys.readouterr().out)["failed"] == 1


def test_files_without_tests_fail_and_say_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.yaml").write_text("variables: [{name: a, value: 1}]")
    assert cli.run(["automation", "test", str(tmp_path)]) == 1
    assert "there are no tests" in capsys.readouterr().err


def test_pytest_collects_and_runs_them(rules: Path) -> None:
    asked = [sys.executable, "-m", "pytest", "-v", "-p", "no:upshot"]
    asked += ["-p", "upshot.services.pytest_plugin"]
    (rules.parent / "other.yaml").write_text("services: {}")
    ended = subprocess.run(
        [*asked, "-c", "/dev/null", "--rootdir", str(rules.parent), str(rules.parent)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "rules.yaml::orders-1::one order PASSED" in ended.stdout, ended.stdout + ended.stderr
    assert "expected 2 firings, actual 1" in ended.stdout
    assert "1 failed, 1 passed" in ended.stdout
    assert "Traceback" not in ended.stdout


async def test_http_tells_how_each_ended(store_url: str) -> None:
    async with served(store_url) as api:
        await api.post("/api/v1/apply", json={"variables": [{"name": "team", "value": "ops"}]})
        await api.post("/api/v1/automations", 201, json=rule(1))
        found = await api.post("/api/v1/automations/test", json={"automation": "orders-1"})
        assert (found["passed"], found["failed"]) == (1, 0)
        found = await api.post("/api/v1/automations/test", json={"automation": rule(2)})
        assert found["tests"][0]["problems"] == [
            "expected 2 firings, actual 1: at +0s (threshold_reached)"
        ]
        await api.post("/api/v1/automations/test", 404, json={"automation": "nobody"})


def test_the_examples_pass_their_own_tests(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GITHUB_SECRET", "ONCALL_MAIL", "ONCALL_HOOK"):
        monkeypatch.setenv(name, "json://127.0.0.1:9000/")
    examples = Path(__file__).parents[2] / "examples"
    assert cli.run(["automation", "test", str(examples)]) == 0, capsys.readouterr().out
    shown = capsys.readouterr().out
    assert (
        "reports-that-stay-broken::people hear of it when the retry failed as well PASSED" in shown
    )
