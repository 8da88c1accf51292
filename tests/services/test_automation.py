"""Automations in Python: the fields of a file, saved, loaded and deleted over HTTP."""

from __future__ import annotations

import asyncio

import pytest
import yaml

from tests.services.api_served import Api
from upshot import Automation
from upshot.automations import EventTrigger, Notify
from upshot.automations.exceptions import InvalidDefinition
from upshot.automations.files.loading import loads
from upshot.services.client import Client
from upshot.services.exceptions import RequestRefused


def failing(threshold: int = 1) -> Automation:
    return Automation(
        name="tell us",
        trigger={"expect": ["flow-run.failed"], "threshold": threshold, "within": "5m"},
        actions=[{"notify": {"to": "oncall", "title": "{{ event.resource.name }} failed"}}],
    )


def test_python_and_yaml_say_the_same() -> None:
    made = failing()
    text = yaml.safe_dump({"automations": [made.model_dump(mode="json", by_alias=True)]})
    (read,) = loads(text).automations
    assert read.model_dump(mode="json") == made.model_dump(mode="json")
    models = Automation(
        name="tell us",
        trigger=EventTrigger.model_validate(made.trigger.model_dump(mode="json")),
        actions=[Notify(to="oncall", title="{{ event.resource.name }} failed")],
    )
    assert models == made


def test_what_is_wrong_is_named() -> None:
    with pytest.raises(InvalidDefinition) as refused:
        Automation(name="a", trigger={"expct": ["a.b"]}, actions=[])
    assert refused.value.problems == [
        "trigger.expct: unknown key (did you mean 'expect'?)",
        "actions: must not be empty",
    ]


async def test_an_automation_is_saved_loaded_and_deleted(api: Api) -> None:
    client = Client(api.url)

    def story() -> list[str]:
        told = [failing().save(client), failing().save(client), failing(3).save(client)]
        assert Automation.load("tell us", client) == failing(3)
        failing().delete(client)
        failing().delete(client)
        with pytest.raises(RequestRefused, match="no automation is called"):
            Automation.load("tell us", client)
        return told

    assert await asyncio.to_thread(story) == ["created", "unchanged", "updated"]
