"""Who may ask: the token, the host, other web sites; and where the API may listen at all."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from tests.services.api_served import served
from upshot.events.settings import Settings
from upshot.services.api import check_exposure
from upshot.services.exceptions import Exposed

TOKEN = "a-long-random-token"
EVENT = {"event": "order.placed", "resource": {"id": "order.1"}}
PATHS = ["/", "/docs", "/metrics", "/readyz", "/openapi.json", "/api/v1/events", "/nothing"]


def settings(**given: Any) -> Settings:
    return Settings(data_dir=Path("/nonexistent"), **given)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.9", "localhost", "::1", "[::1]"])
def test_loopback_needs_no_token(host: str) -> None:
    check_exposure(settings(host=host))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org", ""])
def test_any_other_address_refuses_to_start_without_a_token(host: str) -> None:
    with pytest.raises(Exposed, match="UPSHOT_API_TOKEN"):
        check_exposure(settings(host=host))
    check_exposure(settings(host=host, api_token=TOKEN))


async def test_with_a_token_every_path_wants_it_but_healthz(store_url: str) -> None:
    async with served(store_url, api_token=TOKEN) as api:
        assert (await api.get("/healthz"))["status"] == "alive"
        for path in PATHS:
            for given in ("", "Bearer", "Bearer wrong", f"Bearer {TOKEN}x", f"Token {TOKEN}"):
                problem = await api.get(path, 401, headers={"Authorization": given})
                assert "UPSHOT_API_TOKEN" in problem["detail"]
        await api.post("/api/v1/events", 401, json=EVENT)
        assert await api.logged() == 0
        headers = {"Authorization": f"Bearer {TOKEN}"}
        await api.post("/api/v1/events", 202, json=EVENT, headers=headers)
        async with api.http.get(api.url + "/metrics", headers=headers) as answer:
            assert answer.status == 200
            assert 'upshot_rejected_total{reason="unauthorized"} 36.0' in await answer.text()


async def test_a_browser_may_give_the_token_as_password(store_url: str) -> None:
    async with served(store_url, api_token=TOKEN) as api:
        credentials = base64.b64encode(f"anybody:{TOKEN}".encode()).decode()
        headers = {"Authorization": f"Basic {credentials}"}
        async with api.http.get(api.url, headers={"Accept": "text/html"}) as answer:
            assert answer.status == 401
            assert answer.headers["WWW-Authenticate"].startswith("Basic")
        loads = {"Accept": "text/css,*/*;q=0.1", "Sec-Fetch-Mode": "no-cors"}
        async with api.http.get(api.url + "/static/app.css", headers=loads) as answer:
            assert answer.status == 401
            assert answer.headers["WWW-Authenticate"].startswith("Basic")
        async with api.http.get(api.url, headers=headers) as answer:
            assert answer.status == 200
        origin = {"Origin": "https://evil.example"}
        await api.post("/api/v1/events", 403, json=EVENT, headers=headers | origin)
        bearer = {"Authorization": f"Bearer {TOKEN}"} | origin
        await api.post("/api/v1/events", 202, json=EVENT, headers=bearer)


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:4280", "127.0.0.1.evil.example", "[", ""]
)
async def test_a_name_that_is_not_this_machine_is_refused(store_url: str, host: str) -> None:
    async with served(store_url) as api:
        await api.get("/api/v1/events", 421, headers={"Host": host})
        await api.post("/api/v1/events", 421, json=EVENT, headers={"Host": host})
        assert await api.logged() == 0


@pytest.mark.parametrize("host", ["localhost:1", "LOCALHOST", "[::1]:4280", "upshot.localhost"])
async def test_every_name_of_this_machine_is_accepted(store_url: str, host: str) -> None:
    async with served(store_url) as api:
        await api.get("/api/v1/events", headers={"Host": host})


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}],
)
async def test_a_web_page_of_another_site_changes_nothing(
    store_url: str, headers: dict[str, str]
) -> None:
    async with served(store_url) as api:
        await api.post("/api/v1/events", 403, json=EVENT, headers=headers)
        await api.ask("DELETE", "/api/v1/automations/x", 403, headers=headers)
        assert await api.logged() == 0
        own = {"Origin": api.url, "Sec-Fetch-Site": "same-origin"}
        await api.post("/api/v1/events", 202, json=EVENT, headers=own)
