"""Webhooks: only genuine deliveries reach the log, each of them once; the rest is counted."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.services.api_served import Api, served
from upshot.events.log import Log
from upshot.services.api.signatures import sign, verify
from upshot.services.exceptions import WrongSignature

SECRET = "It's a Secret to Everybody"
PUSH = {
    "action": "opened",
    "repository": {"full_name": "octo/hello"},
    "sender": {"login": "octocat"},
    "size": 3,
}


@pytest.fixture
async def api(api: Api) -> Api:
    webhooks = [
        {"name": "github", "preset": "github", "secret": SECRET},
        {"name": "second", "preset": "github", "secret": SECRET},
        {"name": "plain", "secret": SECRET},
    ]
    await api.post("/api/v1/apply", json={"webhooks": webhooks})
    await api.store.execute("XTRIM", api.store.keys("log"), "MAXLEN", "=", 0)
    return api


def signed(body: bytes, delivery: str = "72d3162e-cc78-11e3-81ab-4c9367dc0958") -> dict[str, str]:
    return {
        "X-Hub-Signature-256": sign(SECRET, body),
        "X-GitHub-Delivery": delivery,
        "X-GitHub-Event": "pull_request",
        "Content-Type": "application/json",
    }


async def only_event(api: Api) -> dict[str, Any]:
    (found,) = [event for event in await Log(api.store).range() if not event.own]
    return found.body


async def outside(api: Api) -> int:
    return sum(not event.own for event in await Log(api.store).range())


async def metric(api: Api, sample: str) -> float:
    async with api.http.get(api.url + "/metrics") as answer:
        lines = (await answer.text()).splitlines()
    return next((float(line.split()[-1]) for line in lines if line.startswith(sample)), 0)


def test_the_signature_is_the_one_that_github_documents() -> None:
    signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    assert sign(SECRET, b"Hello, World!") == signature
    verify("github", SECRET, {"x-hub-signature-256": signature}, b"Hello, World!")
    with pytest.raises(WrongSignature):
        verify("github", SECRET, {"x-hub-signature-256": signature}, b"Hello, World?")


async def test_a_delivery_becomes_an_event(api: Api) -> None:
    body = json.dumps(PUSH).encode()
    answer = await api.post("/hooks/github", 202, data=body, headers=signed(body))
    assert answer == {"accepted": 1, "duplicates": 0}
    event = await only_event(api)
    assert event["event"] == "webhook.github"
    assert event["id"] == "72d3162e-cc78-11e3-81ab-4c9367dc0958"
    assert event["payload"] == PUSH
    assert event["resource"] == {
        "id": "webhook.github",
        "name": "github",
        "provider": "github",
        "provider_event": "pull_request",
        "action": "opened",
        "repository": "octo/hello",
        "sender": "octocat",
    }


async def test_a_delivery_in_a_form_is_understood(api: Api) -> None:
    body = urlencode({"payload": json.dumps(PUSH)}).encode()
    headers = signed(body) | {"Content-Type": "application/x-www-form-urlencoded"}
    await api.post("/hooks/github", 202, data=body, headers=headers)
    assert (await only_event(api))["payload"] == PUSH


async def test_a_delivery_again_is_a_duplicate_but_one_to_another_hook_is_not(api: Api) -> None:
    body = b"{}"
    for expected in ({"accepted": 1, "duplicates": 0}, {"accepted": 0, "duplicates": 1}):
        assert await api.post("/hooks/github", 202, data=body, headers=signed(body)) == expected
    answer = await api.post("/hooks/second", 202, data=body, headers=signed(body))
    assert answer == {"accepted": 1, "duplicates": 0}


BODY = b'{"a": 1}'
REFUSED: dict[str, tuple[str, bytes, dict[str, str], int, str]] = {
    "an unknown slug": ("/hooks/nobody", BODY, signed(BODY), 404, "unknown-webhook"),
    "a hostile slug": ("/hooks/%00%2e%2e", BODY, signed(BODY), 404, "unknown-webhook"),
    "no signature": ("/hooks/github", BODY, {}, 401, "wrong-signature"),
    "another body's signature": ("/hooks/github", BODY, signed(b"{}"), 401, "wrong-signature"),
    "a signature without its scheme": (
        "/hooks/github",
        BODY,
        {"X-Hub-Signature-256": sign(SECRET, BODY).removeprefix("sha256=")},
        401,
        "wrong-signature",
    ),
    "a signature that is no ASCII": (
        "/hooks/github",
        BODY,
        {"X-Hub-Signature-256": "sha256=é"},
        401,
        "wrong-signature",
    ),
    "the old, weak signature alone": (
        "/hooks/github",
        BODY,
        {"X-Hub-Signature": "sha1=0"},
        401,
        "wrong-signature",
    ),
    "no JSON": ("/hooks/github", b"nope", signed(b"nope"), 400, "not-json"),
    "nothing": ("/hooks/github", b"", signed(b""), 400, "not-json"),
    "NaN": ("/hooks/github", b"[NaN]", signed(b"[NaN]"), 400, "not-json"),
    "a delivery id that is none": ("/hooks/github", BODY, signed(BODY, "a b"), 400, "wrong-id"),
    "a wrong bearer": (
        "/hooks/plain",
        BODY,
        {"Authorization": "Bearer x"},
        401,
        "wrong-signature",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_what_is_not_genuine_is_refused_counted_and_never_logged(api: Api, name: str) -> None:
    path, body, headers, status, kind = REFUSED[name]
    answer = await api.post(path, status, data=body, headers=headers)
    assert answer["type"] == f"urn:upshot:problem:{kind}"
    assert SECRET not in json.dumps(answer)
    assert await outside(api) == 0
    assert await metric(api, f'upshot_rejected_total{{reason="{kind}"}}') == 1


async def test_too_large_a_delivery_is_refused(api: Api) -> None:
    body = json.dumps({"v": "y" * 270_000}).encode()
    await api.post("/hooks/github", 413, data=body, headers=signed(body))
    huge = json.dumps({"v": "y" * 2_000_000}).encode()
    await api.post("/hooks/github", 413, data=huge, headers=signed(huge))
    assert await outside(api) == 0


async def test_a_generic_sender_signs_or_gives_the_secret(api: Api) -> None:
    await api.post(
        "/hooks/plain", 202, data=b"[1]", headers={"X-Signature-256": sign(SECRET, b"[1]")}
    )
    assert (await only_event(api))["payload"] == {"body": [1]}
    bearer = {"Authorization": f"Bearer {SECRET}", "Idempotency-Key": "once"}
    assert (await api.post("/hooks/plain", 202, data=b"{}", headers=bearer))["accepted"] == 1
    assert (await api.post("/hooks/plain", 202, data=b"{}", headers=bearer))["duplicates"] == 1


async def test_hooks_need_neither_token_nor_own_host(store_url: str) -> None:
    async with served(store_url, api_token="t0ken") as api:
        hook = [{"name": "github", "preset": "github", "secret": SECRET}]
        bearer = {"Authorization": "Bearer t0ken"}
        await api.post("/api/v1/apply", json={"webhooks": hook}, headers=bearer)
        headers = signed(b"{}") | {"Host": "tunnel.example"}
        await api.post("/hooks/github", 202, data=b"{}", headers=headers)
