"""Backtests over HTTP and with the command line: over what is recorded, acting on nothing."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.services.api_served import Api
from upshot.services.cli import app as cli

BACKTEST = "/api/v1/automations/backtest"


def rule(name: str = "orders", **trigger: Any) -> dict[str, Any]:
    title = "{{ events | length }} orders, {{ variables.team }}"
    return {
        "name": name,
        "trigger": {"expect": ["order.placed"], **trigger},
        "actions": [{"notify": {"to": "ops", "title": title}}],
    }


@pytest.fixture
async def api(api: Api) -> Api:
    await api.post("/api/v1/apply", json={"variables": [{"name": "team", "value": "sales"}]})
    events = [{"event": "order.placed", "resource": {"id": f"order.{n}"}} for n in range(4)]
    await api.post("/api/v1/events", 202, json=events)
    return api


async def test_firings_suppressions_and_events_are_told_with_actions_filled_in(api: Api) -> None:
    tested = rule(threshold=2, within="10m")
    found = await api.post(BACKTEST, json={"automation": tested, "since": "1h"})
    assert (found["events"], len(found["firings"]), found["suppressed"]) == (5, 1, [])
    (action,) = found["firings"][0]["actions"]
    assert action["arguments"]["title"] == "2 orders, sales"
    assert await api.logged() == 5


async def test_two_versions_are_compared(api: Api) -> None:
    await api.post("/api/v1/automations", 201, json=rule())
    body = {"automation": rule("draft", match={"id": "order.1"}), "against": "orders"}
    against = (await api.post(BACKTEST, json=body))["against"]
    assert (against["same"], len(against["only_this"]), len(against["only_against"])) == (1, 0, 3)


async def test_progress_comes_as_lines_and_the_result_last(api: Api) -> None:
    body = {"automation": rule(), "progress": True}
    async with api.http.post(api.url + BACKTEST, json=body) as answer:
        lines = [json.loads(line) async for line in answer.content]
    assert list(lines[0]) == ["progress"]
    assert lines[-1]["result"]["counts"] == {"firings": 4}


async def test_wrong_questions_are_refused_with_their_field(api: Api) -> None:
    wrong = await api.post(BACKTEST, 422, json={"automation": rule(), "since": "1h", "until": "2h"})
    assert "until" in wrong["detail"]
    await api.post(BACKTEST, 404, json={"automation": rule(), "against": "nobody"})
    assert "since" in str(await api.post(BACKTEST, 422, json={"automation": "a", "since": "x"}))


async def test_the_exit_code_tells_what_ci_wants_to_know(
    api: Api, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(json.dumps({"automations": [rule()]}))

    async def run(*options: str) -> int:
        arguments = ["--url", api.url, "automation", "backtest", str(file), *options]
        return await asyncio.to_thread(cli.run, arguments)

    assert await run("--output", "json") == 0
    assert json.loads(capsys.readouterr().out)["counts"] == {"firings": 4}
    assert await run("--max-firings", "3") == 1
    assert "more than 3" in capsys.readouterr().err
    assert await run("--min-firings", "4") == 0
    assert await run("--against", "nobody") == 1
