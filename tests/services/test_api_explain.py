"""Explanations over HTTP and on the command line: the past is followed, then the event told."""

from __future__ import annotations

from typing import Any

import pytest

from tests.services.api_served import Api
from upshot.services.api import explain
from upshot.services.cli.explained import tree
from upshot.services.cli.printing import console

EXPLAIN = "/api/v1/automations/explain"
RULE: dict[str, Any] = {
    "name": "logins",
    "trigger": {
        "expect": ["login.failed"],
        "match": {"host": "web-*"},
        "for_each": ["id"],
        "threshold": 3,
        "within": "10m",
    },
    "actions": [{"retry-flow-run": {}}],
}


def login(identity: str | None, host: str = "web-1", user: str = "ana") -> dict[str, Any]:
    body = {"event": "login.failed", "resource": {"id": f"user.{user}", "host": host}}
    return body if identity is None else {"id": identity, **body}


async def record(api: Api, *events: dict[str, Any]) -> None:
    await api.post("/api/v1/events", 202, json=list(events))


async def ask(api: Api, status: int = 200, **body: Any) -> Any:
    return await api.post(EXPLAIN, status, json=body)


async def test_a_recorded_event_is_explained_by_what_came_before_it(api: Api) -> None:
    await api.post("/api/v1/automations", 201, json=RULE)
    await record(api, login("1"), login("2", user="bob"), login("3"), login("4"))
    third = await ask(api, automation="logins", event="3")
    assert (third["fired"], third["reason"], third["version"]) == (False, "counted", 1)
    assert third["tree"]["window"]["count"] == 2
    fourth = await ask(api, automation="logins", event="4")
    assert (fourth["fired"], fourth["reason"]) == (True, "threshold_reached")


async def test_an_event_that_never_came_is_explained_as_if_it_came_now(api: Api) -> None:
    await record(api, login("1"), login("2"))
    found = await ask(api, automation=RULE, event=login(None))
    assert (found["fired"], found["reason"], found["version"]) == (True, "threshold_reached", 0)
    assert await api.logged() == 2


async def test_near_misses_are_listed_newest_first(api: Api) -> None:
    await record(api, login("1", host="db-1"), login("2", host="db-2"), login("3"))
    items = (await ask(api, automation=RULE, last=2))["items"]
    assert [(item["event"]["id"], item["reason"]) for item in items] == [
        ("3", "counted"),
        ("2", "match"),
    ]


async def test_a_wrong_question_is_refused_with_its_field(api: Api) -> None:
    assert "no automation" in (await ask(api, 404, automation="nobody", event="1"))["detail"]
    assert "no event" in (await ask(api, 404, automation=RULE, event="missing"))["detail"]
    assert "either" in (await ask(api, 422, automation=RULE))["detail"]
    wrong = await ask(api, 422, automation=RULE, event={"event": "a"})
    assert "event.resource" in wrong["detail"]
    wrong = await ask(api, 422, automation={**RULE, "trigger": {"threshold": 0}}, event="1")
    assert "threshold" in str(wrong["errors"])
    assert "since" in (await ask(api, 422, automation=RULE, last=1, since="long"))["detail"]


async def test_where_many_events_come_less_of_the_past_is_followed(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(10):
        await record(api, login(f"{n}"))
    full = await ask(api, automation=RULE, event="9")
    monkeypatch.setattr(explain, "USUALLY_FOLLOWED", 3)
    part = await ask(api, automation=RULE, event="9")
    assert full["since"] < part["since"]
    monkeypatch.setattr(explain, "MOST_FOLLOWED", 5)
    refused = await ask(api, 422, automation=RULE, event="9", since="1d")
    assert refused["errors"][0]["field"] == "since"
    refused = await ask(api, 422, automation=RULE, last=3, since="1d")
    assert "later" in refused["detail"]


async def test_people_see_a_tree(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    await record(api, login("1", host="db-\u001b[1m"))
    console().print(tree(await ask(api, automation=RULE, event="1")))
    shown = capsys.readouterr().out
    assert "logins does not fire: match" in shown
    assert "match host: expected web-*, actual db-\\x1b[1m" in shown
