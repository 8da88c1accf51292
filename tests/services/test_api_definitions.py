"""Definitions over HTTP: applied whole or not at all, shown without secrets, found by any name."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.services.api_served import Api, served
from upshot.events.ids import derived_id

AUTOMATION = {
    "name": "tell us",
    "trigger": {"type": "event", "expect": ["order.placed"]},
    "actions": [{"emit-event": {"event": "order.seen", "resource": {"id": "x"}}}],
}
DEPLOYMENT = {"name": "etl/nightly", "entrypoint": "/flows/etl.py:etl", "parameters": {"n": 1}}
WEBHOOK = {"name": "github", "preset": "github", "secret": "hush-hush"}
RECEIVER = {"name": "oncall", "url": "mailto://user:hush-hush@example.org"}
VARIABLE = {"name": "limit", "value": 3}
ALL: dict[str, list[dict[str, Any]]] = {
    "automations": [AUTOMATION],
    "deployments": [DEPLOYMENT],
    "webhooks": [WEBHOOK],
    "receivers": [RECEIVER],
    "variables": [VARIABLE],
}
APPLY = "/api/v1/apply"


@pytest.fixture
async def api(store_url: str) -> AsyncIterator[Api]:
    async with served(store_url) as running:
        yield running


def verbs(answer: dict[str, Any]) -> dict[str, str]:
    return {change["name"]: change["change"] for change in answer["changes"]}


async def test_applying_again_changes_nothing(api: Api) -> None:
    assert set(verbs(await api.post(APPLY, json=ALL)).values()) == {"created"}
    assert set(verbs(await api.post(APPLY, json=ALL)).values()) == {"unchanged"}


async def test_a_dry_run_only_tells(api: Api) -> None:
    assert set(verbs(await api.post(APPLY, json={**ALL, "dry_run": True})).values()) == {"created"}
    assert (await api.get("/api/v1/automations"))["items"] == []


async def test_pruning_deletes_what_is_not_given_of_the_kinds_that_are(api: Api) -> None:
    await api.post(APPLY, json=ALL)
    answer = await api.post(APPLY, json={"automations": [], "prune": True})
    assert verbs(answer) == {"tell us": "deleted"}
    assert len((await api.get("/api/v1/deployments"))["items"]) == 1


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"automations": [{**AUTOMATION, "triger": {}}]}, "automations.0.triger"),
        ({"automations": [AUTOMATION, {**AUTOMATION}]}, "automations.1.name"),
        ({"deployments": [{"name": "nope", "entrypoint": "x.py:f"}]}, "deployments.0.name"),
        ({"webhooks": [{"name": "open"}]}, "webhooks.0.secret"),
        ({"receivers": [{"name": "x", "url": "nowhere"}]}, "receivers.0.url"),
        ({"automation": []}, "automation"),
    ],
)
async def test_what_is_wrong_is_named_and_nothing_is_applied(
    api: Api, wrong: dict[str, Any], field: str
) -> None:
    answer = await api.post(APPLY, 422, json={"variables": [VARIABLE], **wrong})
    assert field in [error["field"] for error in answer["errors"]]
    assert (await api.get("/api/v1/variables"))["items"] == []


@pytest.mark.parametrize("body", [b"", b"nope", b"[]", b"1"])
async def test_a_body_that_is_no_request_is_refused(api: Api, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    async with api.http.post(api.url + APPLY, data=body, headers=headers) as answer:
        assert answer.status in (400, 422)
        assert answer.content_type == "application/problem+json"


async def test_a_body_beyond_the_limit_is_refused_everywhere(store_url: str) -> None:
    async with served(store_url, max_body=2048) as api:
        large = {"variables": [{"name": "x", "value": "y" * 4096}]}
        await api.post(APPLY, 413, json=large)


async def test_secrets_are_never_shown(api: Api) -> None:
    await api.post(APPLY, json=ALL)
    for path in ("webhooks", "webhooks/github", "receivers", "receivers/oncall", "events"):
        async with api.http.get(f"{api.url}/api/v1/{path}") as answer:
            assert answer.status == 200
            assert "hush-hush" not in await answer.text()
    assert (await api.get("/api/v1/receivers/oncall"))["url"] == "mailto://********"
    assert (await api.get("/api/v1/webhooks/github"))["path"] == "/hooks/github"


@pytest.mark.parametrize("kind", ALL)
async def test_names_work_wherever_ids_do(api: Api, kind: str) -> None:
    await api.post(APPLY, json=ALL)
    name = ALL[kind][0]["name"]
    singular = kind.removesuffix("s")
    for given in (name, derived_id(singular, name), f"{singular}.{derived_id(singular, name)}"):
        assert (await api.get(f"/api/v1/{kind}/{given}"))["name"] == name
    await api.ask("DELETE", f"/api/v1/{kind}/{derived_id(singular, name)}", 204)
    await api.get(f"/api/v1/{kind}/{name}", 404)


async def test_a_name_that_is_nearly_right_is_corrected(api: Api) -> None:
    await api.post(APPLY, json=ALL)
    answer = await api.get("/api/v1/deployments/etl/nigtly", 404)
    assert "did you mean 'etl/nightly'?" in answer["detail"]


@pytest.mark.parametrize("path", ["automations/tell us", "deployments/etl/nightly"])
async def test_a_pause_lasts_until_somebody_resumes(api: Api, path: str) -> None:
    await api.post(APPLY, json=ALL)
    assert (await api.post(f"/api/v1/{path}/pause"))["paused"] is True
    await api.post(APPLY, json=ALL)
    assert (await api.get(f"/api/v1/{path}"))["paused"] is True
    assert "paused" not in await api.post(f"/api/v1/{path}/resume")


async def test_a_list_pages_by_cursor(api: Api) -> None:
    variables = [{"name": f"v{n:02}", "value": n} for n in range(25)]
    await api.post(APPLY, json={"variables": variables})
    seen, cursor = [], None
    while True:
        query = {"limit": 10} | ({"cursor": cursor} if cursor else {})
        page = await api.get("/api/v1/variables", params=query)
        seen += [item["value"] for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == list(range(25))


@pytest.mark.parametrize("limit", ["0", "1001", "-1", "many"])
async def test_an_absurd_limit_is_refused(api: Api, limit: str) -> None:
    answer = await api.get("/api/v1/variables", 422, params={"limit": limit})
    assert answer["errors"][0]["field"] == "limit"
