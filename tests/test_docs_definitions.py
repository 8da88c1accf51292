"""The page on definitions says what is so: its examples are run as they stand."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from tests.services.api_served import Api, printed, served
from upshot.automations.files.loading import loads
from upshot.automations.files.schema import schema
from upshot.automations.importing import import_prefect, to_yaml

PAGE = (Path(__file__).parents[1] / "docs" / "definitions.md").read_text()
DEPLOYMENT = "0f9f2c1e-3f5c-4a62-9a3b-3ad5ba2d54d5"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


@pytest.fixture
async def api(store_url: str) -> AsyncIterator[Api]:
    async with served(store_url) as running:
        yield running


def test_the_file_is_what_the_schema_says() -> None:
    Draft202012Validator(schema("file")).validate(yaml.safe_load(blocks("yaml")[0]))


async def test_a_plan_is_told_as_the_page_shows(api: Api, tmp_path: Path) -> None:
    file = tmp_path / "definitions.yaml"
    shown = blocks("console")[0].split("\n", 1)[1]
    file.write_text(blocks("yaml")[0])
    assert await asyncio.to_thread(printed, api, "apply", "-f", str(tmp_path)) == shown
    file.write_text(blocks("yaml")[0].replace("within: 5m", "within: 10m"))
    assert await asyncio.to_thread(printed, api, "apply", "-f", str(tmp_path)) == blocks("text")[0]
    for command in blocks("console")[1].splitlines():
        words = command.removeprefix("$ upshot ").split()
        await asyncio.to_thread(printed, api, *words)
    assert (await api.get("/api/v1/automations/suspicious-logins"))["version"] == 3


async def test_the_request_of_the_page_is_answered(api: Api) -> None:
    given = yaml.safe_load(blocks("yaml")[0])
    await api.post("/api/v1/apply", json=given)
    head, body = blocks("http")[0].split("\n\n")
    request, *fields = head.splitlines()
    method, path = request.split()
    headers = dict(field.split(": ", 1) for field in fields)
    answer = await api.ask(method, path, 200, headers=headers, data=body)
    assert answer["trigger"]["threshold"] == json.loads(body)["trigger"]["threshold"]
    await api.ask(method, path, 412, headers=headers, data=body)


async def test_the_program_of_the_page_saves_its_automation(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UPSHOT_URL", api.url)
    program = compile(blocks("python")[0], "definitions.md", "exec")
    await asyncio.to_thread(exec, program, {})
    assert (await api.get("/api/v1/automations/tell-us"))["version"] == 1


def test_the_export_of_the_page_becomes_the_file_of_the_page() -> None:
    export, made = blocks("yaml")[1:]
    assert to_yaml(import_prefect(export, names={DEPLOYMENT: "etl/nightly"})) == made
    assert loads(made).automations[0].enabled is False
