"""Definitions over HTTP: applied whole or not at all, shown without secrets, found by any name."""

from __future__ import annotations

from typing import Any

import pytest

from tests.services.api_served import Api, served
from upshot.events.ids import derived_id

AUTOMATION: dict[str, Any] = {
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


async def test_a_key_that_is_nearly_right_is_corrected(api: Api) -> None:
    wrong = {**AUTOMATION, "trigger": {"expects": ["order.placed"]}}
    answer = await api.post("/api/v1/automations", 422, json=wrong)
    assert answer["errors"] == [
        {"field": "trigger.expects", "message": "unknown key (did you mean 'expect'?)"}
    ]


async def test_a_parameter_that_is_not_known_is_refused(api: Api) -> None:
    for path in ("/api/v1/events", "/api/v1/firings", "/api/v1/runs", "/api/v1/automations"):
        answer = await api.ask("GET", f"{path}?limitt=1", 422)
        assert answer["detail"] == "limitt: unknown parameter (did you mean 'limit'?)"
    await api.ask("GET", "/healthz?probe=7", 200)


async def test_a_parameter_that_is_given_twice_is_refused(api: Api) -> None:
    answer = await api.get("/api/v1/runs?state=Completed&state=Failed", 422)
    assert answer["detail"] == "state: is given twice"
    await api.get("/api/v1/events?event=a.b,c.d", 200)


async def test_every_list_pages(api: Api) -> None:
    paths = (await api.get("/openapi.json"))["paths"]
    lists = [path for path in paths if path.startswith("/api/v1/") and "{" not in path]
    for path in set(lists) - {"/api/v1/events/stream"}:
        if "get" in paths[path]:
            names = {each["name"] for each in paths[path]["get"]["parameters"]}
            assert {"limit", "cursor"} <= names, path


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


ONE = "/api/v1/automations/tell us"


async def tagged(api: Api, method: str, path: str, status: int, **how: Any) -> tuple[Any, str]:
    async with api.http.request(method, api.url + path, **how) as answer:
        assert answer.status == status, await answer.text()
        return await answer.json(content_type=None), answer.headers.get("ETag", "")


@pytest.mark.parametrize("plural", ALL)
async def test_each_kind_is_created_shown_changed_and_deleted(api: Api, plural: str) -> None:
    (body,) = ALL[plural]
    one = f"/api/v1/{plural}/{body['name']}"
    created, tag = await tagged(api, "POST", f"/api/v1/{plural}", 201, json=body)
    assert tag == '"1"'
    assert (await tagged(api, "GET", one, 200)) == (created, tag)
    same, tag = await tagged(api, "PUT", one, 200, json=created, headers={"If-Match": tag})
    assert (same, tag) == (created, '"1"')  # what was hidden came back as it was
    change = {"value": 5} if plural == "variables" else {"description": "new"}
    if plural != "receivers":
        changed, tag = await tagged(
            api, "PATCH", one, 200, json=change, headers={"If-Match": '"1"'}
        )
        assert tag == '"2"'
        assert changed == {**created, **change, "version": 2}
    await api.ask("DELETE", one, 412, headers={"If-Match": '"7"'})
    await api.ask("DELETE", one, 204, headers={"If-Match": tag})
    await api.get(one, 404)


async def test_a_secret_that_was_hidden_survives_being_sent_back(api: Api) -> None:
    await api.post(APPLY, json=ALL)
    shown, tag = await tagged(api, "GET", "/api/v1/webhooks/github", 200)
    body = {**shown, "description": "x"}
    await api.ask("PUT", "/api/v1/webhooks/github", 200, json=body, headers={"If-Match": tag})
    assert set(verbs(await api.post(APPLY, json={"webhooks": [WEBHOOK]})).values()) == {"updated"}
    answer = await api.post(APPLY, json={"webhooks": [{**WEBHOOK, "secret": "other"}]})
    (change,) = answer["changes"]
    assert change["diff"] == [{"field": "secret", "old": "********", "new": "********"}]


async def test_a_change_says_which_version_it_changes(api: Api) -> None:
    await api.ask("PUT", ONE, 412, json=AUTOMATION, headers={"If-Match": "*"})
    await api.ask("PUT", ONE, 201, json=AUTOMATION)
    await api.ask("PUT", ONE, 412, json=AUTOMATION, headers={"If-None-Match": "*"})
    problem, tag = await tagged(api, "PUT", ONE, 428, json=AUTOMATION)
    assert 'If-Match: "1"' in problem["detail"]
    assert tag == '"1"'
    new = {**AUTOMATION, "description": "new"}
    for wrong in ('"2"', 'W/"1"', "1", '"0", "9"'):
        await api.ask("PUT", ONE, 412, json=new, headers={"If-Match": wrong})
    await api.ask("PATCH", ONE, 428, json={"enabled": False})
    _, tag = await tagged(api, "PUT", ONE, 200, json=new, headers={"If-Match": '"4", "1"'})
    assert tag == '"2"'
    await api.ask("PATCH", ONE, 200, json={"enabled": False}, headers={"If-Match": "*"})
    await api.get(ONE, 304, headers={"If-None-Match": 'W/"3"'})
    assert (await api.get(ONE, headers={"If-None-Match": tag}))["enabled"] is False


async def test_creating_what_exists_is_a_conflict_unless_it_is_the_same_request(api: Api) -> None:
    key = {"Idempotency-Key": "k1"}
    await api.post("/api/v1/automations", 201, json=AUTOMATION, headers=key)
    await api.post("/api/v1/automations", 201, json=AUTOMATION, headers=key)
    await api.post("/api/v1/automations", 409, json=AUTOMATION)
    other = {**AUTOMATION, "enabled": False}
    await api.post("/api/v1/automations", 422, json=other, headers=key)
    assert (await api.get(ONE))["version"] == 1


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        (b"nope", 400, None),
        (b"[]", 422, None),
        (b"{}", 422, "trigger"),
        (b'{"name": "other"}', 422, "name"),
        (b'{"trigger": {"type": "event", "expct": ["a"]}}', 422, "trigger.expct"),
        (b'{"paused": 1}', 422, "paused"),
    ],
)
async def test_what_is_wrong_with_one_definition_is_named(
    api: Api, body: bytes, status: int, field: str | None
) -> None:
    answer, _ = await tagged(api, "PUT", ONE, status, data=body)
    assert field is None or field in [error["field"] for error in answer["errors"]]
    await api.get(ONE, 404)


async def test_a_merge_patch_changes_what_it_names_and_null_takes_away(api: Api) -> None:
    await api.post("/api/v1/automations", 201, json={**AUTOMATION, "description": "x"})
    patch = {"trigger": {"within": "5m", "threshold": 2}, "description": None, "paused": True}
    changed = await api.ask("PATCH", ONE, 200, json=patch, headers={"If-Match": '"1"'})
    assert changed["trigger"]["expect"] == ["order.placed"]
    assert changed["trigger"]["within"] == "5m"
    assert changed["description"] == ""
    assert changed["paused"] is True
    resumed = await api.ask("PATCH", ONE, 200, json={"paused": False}, headers={"If-Match": "*"})
    assert "paused" not in resumed


async def test_versions_are_listed_and_shown(api: Api) -> None:
    await api.post("/api/v1/automations", 201, json=AUTOMATION)
    for count in range(2, 5):
        patch = {"trigger": {"threshold": count, "within": "1m"}}
        await api.ask("PATCH", ONE, 200, json=patch, headers={"If-Match": "*"})
    page = await api.get(f"{ONE}/versions", params={"limit": 3})
    assert [item["version"] for item in page["items"]] == [4, 3, 2]
    rest = await api.get(f"{ONE}/versions", params={"cursor": page["next"]})
    assert [item["change"] for item in rest["items"]] == ["created"]
    assert (await api.get(f"{ONE}/versions/3"))["definition"]["trigger"]["threshold"] == 3
    await api.get(f"{ONE}/versions/9", 404)
    await api.ask("DELETE", ONE, 204)
    assert len((await api.get(f"{ONE}/versions"))["items"]) == 5
    await api.get("/api/v1/automations/never/versions", 404)


async def test_a_plan_tells_what_an_edit_forgets_and_only_it_is_done(api: Api) -> None:
    two: dict[str, Any] = {
        "type": "compound",
        "within": "1h",
        "triggers": [{"expect": ["a.b"]}, {"expect": ["c.d"], "within": "1m"}],
    }
    await api.post(APPLY, json={"automations": [{**AUTOMATION, "trigger": two}]})
    two["triggers"][1] = {"expect": ["c.d"], "within": "2m"}
    wanted = {"automations": [{**AUTOMATION, "trigger": two}]}
    shown = await api.post(APPLY, json={**wanted, "dry_run": True})
    (change,) = shown["changes"]
    assert change["diff"] == [{"field": "trigger.triggers.1.within", "old": "1m", "new": "2m"}]
    assert change["state"] == {
        "kept": ["trigger.triggers.0"],
        "reset": ["trigger", "trigger.triggers.1"],
    }
    await api.ask("DELETE", ONE, 204)
    problem = await api.post(APPLY, 409, json={**wanted, "plan": shown["plan"]})
    assert problem["type"].endswith("plan-outdated")
    await api.get(ONE, 404)
    again = await api.post(APPLY, json={**wanted, "dry_run": True})
    await api.post(APPLY, json={**wanted, "plan": again["plan"]})
    assert (await api.get(ONE))["version"] == 3
