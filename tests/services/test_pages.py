"""Pages over HTTP: what they show of runs, and what their forms and buttons change."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest
from pydantic_core import to_json

from tests.services.api_served import Api, served
from upshot.events.event import Event
from upshot.events.log import Log
from upshot.flows.runs.flowrun import FlowRun, Pause, new_run
from upshot.flows.runs.registry import Runs
from upshot.flows.states import State

HOSTILE = "\u202e<script>alert(1)</script>"
DEPLOYMENT = {"name": "etl/nightly", "entrypoint": "/flows/etl.py:etl", "parameters": {"n": 1}}
SCHEMA = {
    "type": "object",
    "properties": {"ok": {"type": "boolean"}, "copies": {"type": "integer"}},
    "required": ["ok", "copies"],
}
PAGES = [
    "/", "/runs", "/deployments", "/deployments/etl%2Fnightly", "/automations", "/work", "/limits",
    "/assets", "/docs",
]  # fmt: skip


@pytest.fixture
async def api(api: Api) -> Api:
    await api.post("/api/v1/apply", json={"deployments": [DEPLOYMENT]})
    return api


async def _make(api: Api, *states: str, **how: Any) -> FlowRun:
    """Put a run into the store and lead it through states."""
    runs = Runs(api.store)
    run = new_run("etl", state=State("Scheduled"), pool="default", **how)
    await runs.create(run)
    for name in states:
        run = await runs.transition(await runs.get(run.id), State(name, "why"), own=False)
    return run


async def _paused(api: Api, schema: dict[str, Any]) -> FlowRun:
    run = await _make(api, "Pending", "Running")
    more = {"pause": Pause("ship", "Ship **it**?", schema).to_json()}
    return await Runs(api.store).transition(run, State("Suspended"), own=True, fields=more)


async def _page(api: Api, path: str, status: int = 200) -> str:
    async with api.http.get(api.url + path, headers={"Accept": "text/html"}) as answer:
        text = await answer.text()
        assert answer.status == status, text
        assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
        return text


async def _send(api: Api, path: str, **fields: str) -> tuple[int, str]:
    headers = {"Origin": api.url, "Sec-Fetch-Site": "same-origin"}
    async with api.http.post(
        api.url + path, data=fields, headers=headers, allow_redirects=False
    ) as answer:
        return answer.status, await answer.text()


@pytest.mark.parametrize("path", PAGES)
async def test_every_page_is_there_also_when_there_is_nothing_to_show(api: Api, path: str) -> None:
    assert "<title>" in await _page(api, path)


@pytest.mark.parametrize(
    "path", ["/runs/none", "/deployments/none", "/assets/none", "/automations/none", "/firings/x"]
)
async def test_what_is_not_there_is_told_on_a_page(api: Api, path: str) -> None:
    assert "Not Found" in await _page(api, path, 404)


async def test_a_wrong_filter_is_told_on_a_page(api: Api) -> None:
    assert "no state is called" in await _page(api, "/runs?state=Nope", 422)
    assert "(did you mean &#39;Failed&#39;?)" in await _page(api, "/runs?state=failed", 422)


async def test_runs_are_filtered_and_paged(api: Api) -> None:
    for _ in range(51):
        await _make(api)
    await _make(api, "Pending", "Running", "Failed")
    text = await _page(api, "/runs?state=Failed")
    assert text.count("<tr>") == 2
    text = await _page(api, "/runs?flow=etl")
    (older,) = re.findall(r'href="(\?flow=etl&amp;cursor=[^"]+)"', text)
    assert (await _page(api, "/runs" + older.replace("&amp;", "&"))).count("<tr>") == 3


async def test_runs_are_filtered_by_when_they_were_made(api: Api) -> None:
    run = await _make(api)
    assert run.name in await _page(api, "/runs?since=1h")
    assert "the last hour</option>" in await _page(api, "/runs?since=1h")
    assert run.name not in await _page(api, "/runs?since=2100-01-01T00:00:00Z")
    assert "how long ago" in await _page(api, "/runs?since=soon", 422)


async def test_a_run_shows_its_state_and_why_and_what_can_be_done(api: Api) -> None:
    run = await _make(api, "Pending", "Running", "Failed", deployment="etl/nightly")
    text = await _page(api, f"/runs/{run.id}")
    for expected in ("Failed", "why", f"/runs/{run.id}/retry", "/deployments/etl%2Fnightly"):
        assert expected in text
    assert "/cancel" not in text
    assert "data-live" not in text
    assert "/cancel" in await _page(api, f"/runs/{(await _make(api)).id}")


async def test_what_strangers_wrote_is_text_everywhere(api: Api) -> None:
    huge = HOSTILE * 35
    run = await _make(api, name=huge, parameters={HOSTILE: HOSTILE}, tags=(HOSTILE,))
    record = {
        "id": "t", "name": huge, "task": HOSTILE, "created": run.created, "started": run.created,
        "ended": None, "state": State("Running", HOSTILE).to_dict(),
    }  # fmt: skip
    await api.store.execute(
        "HSET", api.store.keys("tasks", run.id), "t", b"Running " + to_json(record)
    )
    for path in (f"/runs/{run.id}", f"/runs/{run.id}?task=x", "/runs", "/", "/deployments"):
        text = await _page(api, path)
        assert "<script>alert" not in text
        assert len(text) < 100_000


async def test_a_form_that_is_filled_in_lets_a_run_go_on(api: Api) -> None:
    run = await _paused(api, SCHEMA)
    text = await _page(api, f"/runs/{run.id}")
    assert "Ship <strong>it</strong>?" in text
    status, text = await _send(api, f"/runs/{run.id}/resume", **{"field.copies": "many"})
    assert (status, "must be a number" in text, 'value="many"' in text) == (422, True, True)
    sent = {"field.copies": "2", "field.ok": "true"}
    status, _ = await _send(api, f"/runs/{run.id}/resume", **sent)
    assert status == 303
    resumed = await Runs(api.store).get(run.id)
    assert resumed.pause is None


async def test_a_run_that_asks_again_says_why(api: Api) -> None:
    run = await _paused(api, SCHEMA)
    runs = Runs(api.store)
    more = {"pause": Pause("ship", "Ship it?", SCHEMA).to_json()}
    await runs.transition(
        await runs.get(run.id), State("Suspended", "copies: too many"), own=True, fields=more
    )
    text = await _page(api, f"/runs/{run.id}")
    assert "copies: too many" in text
    assert "Ship it?" in text


async def test_what_the_api_refuses_stands_beside_its_field(api: Api) -> None:
    run = await _paused(api, SCHEMA)
    status, text = await _send(api, f"/runs/{run.id}/resume", **{"field.copies": "2.5"})
    assert status == 422
    (field,) = re.findall(r'<label class="wrong">(.*?)</label>', text, re.DOTALL)
    assert "copies" in field


async def test_a_button_that_comes_too_late_says_so_and_shows_the_run(api: Api) -> None:
    run = await _make(api, "Pending", "Running", "Completed")
    status, text = await _send(api, f"/runs/{run.id}/retry")
    assert (status, "Conflict" in text, run.name in text) == (409, True, True)
    assert f'data-at="/runs/{run.id}"' in text


async def test_a_button_of_another_site_does_nothing(api: Api) -> None:
    run = await _make(api)
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        async with api.http.post(f"{api.url}/runs/{run.id}/cancel", headers=headers) as answer:
            assert answer.status == 403
    assert (await Runs(api.store).get(run.id)).state.type == "Scheduled"


async def test_with_a_token_the_browser_gives_it_as_password_and_other_sites_do_not(
    store_url: str,
) -> None:
    async with served(store_url, api_token="a-long-random-token") as api:
        run = await _make(api)
        address = f"{api.url}/runs/{run.id}/cancel"
        known = "Basic " + base64.b64encode(b"anyone:a-long-random-token").decode()
        evil = {"Origin": "https://evil.example"}
        for headers, status in (({}, 401), ({"Authorization": known, **evil}, 403)):
            async with api.http.post(address, headers=headers) as answer:
                assert answer.status == status
        own = {"Authorization": known, "Origin": api.url}
        async with api.http.post(address, headers=own) as answer:
            assert answer.status == 200
            assert "Cancelled" in await answer.text()


async def test_a_deployment_is_run_with_what_its_form_says(api: Api) -> None:
    sent = {"field.n": "5", "field.": '{"day": "Monday"}', "name": "by-hand"}
    status, _ = await _send(api, "/deployments/etl%2Fnightly/run", **sent)
    assert status == 303
    run = await api.get("/api/v1/runs/by-hand")
    assert run["parameters"] == {"n": 5, "day": "Monday"}
    status, text = await _send(api, "/deployments/etl%2Fnightly/run", **{"field.": "[1]"})
    assert (status, "must be a JSON object" in text) == (422, True)


async def test_the_form_for_another_run_begins_with_what_a_run_was_given(api: Api) -> None:
    sent = {"field.n": "5", "field.": '{"day": "Monday"}', "name": "by-hand"}
    await _send(api, "/deployments/etl%2Fnightly/run", **sent)
    (link,) = re.findall(
        r'href="(/deployments/[^"]*like=[^"#]*)', await _page(api, "/runs/by-hand")
    )
    text = await _page(api, link)
    assert 'name="field.day" value="Monday"' in text
    assert 'name="field.n" value="5"' in text
    assert "no run has the id" in await _page(api, "/deployments/etl%2Fnightly?like=gone", 404)


async def test_what_a_form_can_not_ask_for_is_told_on_its_page(api: Api) -> None:
    path = "/deployments/etl%2Fnightly/run"
    status, text = await _send(api, path, **{"field.n": "7", "name": "x" * 201})
    assert status == 422
    assert "name: string should have at most 200 characters" in text
    assert "x" * 201 in text
    run = await _make(api, "Pending", "Running", "Failed", deployment="etl/nightly")
    status, text = await _send(api, f"/runs/{run.id}/retry", **{"from": "x" * 201})
    assert status == 422
    assert "from: string should have at most 200 characters" in text


async def test_switches_of_pools_and_deployments_work(api: Api) -> None:
    assert (await _send(api, "/work/default/pause"))[0] == 303
    assert (await api.get("/api/v1/work-pools/default"))["paused"] is True
    assert (await _send(api, "/work/default/queues/default/pause"))[0] == 303
    (queue,) = (await api.get("/api/v1/work-pools/default"))["queues"]
    assert queue["paused"] is True
    assert (await _send(api, "/work/default/queues/default/resume"))[0] == 303
    assert (await _send(api, "/deployments/etl%2Fnightly/pause"))[0] == 303
    assert "Paused" in await _page(api, "/deployments")
    assert (await _send(api, "/deployments/etl%2Fnightly/resume"))[0] == 303
    assert "Paused" not in await _page(api, "/deployments")


async def test_news_come_for_what_a_page_is_about_and_for_nothing_else(api: Api) -> None:
    async with api.http.get(f"{api.url}/live?concerning=flow-run.1") as stream:
        await stream.content.readuntil(b"\n\n")
        log = Log(api.store)
        await log.append([Event(event="a.b", resource={"id": "flow-run.2"})])
        related = [{"id": "flow-run.1", "role": "flow-run"}]
        for _ in range(50):
            await log.append([Event(event="a.b", resource={"id": "other"}, related=related)])
        news = await stream.content.readuntil(b"\n\n")
        assert b"data:" in news
        assert (await log.end()).encode() >= news.split()[1]


async def test_what_pages_load_is_asked_for_again_only_when_it_changed(api: Api) -> None:
    async with api.http.get(api.url + "/static/app.js") as answer:
        assert answer.content_type == "text/javascript"
        tag = answer.headers["ETag"]
    async with api.http.get(api.url + "/static/app.js", headers={"If-None-Match": tag}) as answer:
        assert answer.status == 304
    await _page(api, "/static/other.js", 404)


async def test_a_thousand_task_runs_are_summed_up_and_listed_by_task(api: Api) -> None:
    run = await _make(api, "Pending", "Running")
    tasks = [("find", 1), ("square", 1_000)]
    fields: list[bytes | str] = []
    for task, count in tasks:
        for number in range(count):
            record = {
                "id": f"{task}{number}", "name": f"{task}-{number}", "task": task,
                "created": f"2026-01-01T00:00:00.{number:06}Z", "started": "2026-01-01T00:00:01Z",
                "ended": "2026-01-01T00:00:02Z", "state": State("Completed").to_dict(),
            }  # fmt: skip
            fields += [record["id"], b"Completed " + to_json(record)]  # type: ignore[list-item]
    await api.store.execute("HSET", api.store.keys("tasks", run.id), *fields)
    sums = (await api.get(f"/api/v1/runs/{run.id}/tasks"))["items"]
    assert [(each["task"], each["runs"]) for each in sums] == tasks
    page = await api.get(f"/api/v1/runs/{run.id}/task-runs?task=find")
    assert [each["name"] for each in page["items"]] == ["find-0"]
    text = await _page(api, f"/runs/{run.id}")
    assert "1,000 Completed" in text
    assert text.count("<svg") == 2
    assert (await _page(api, f"/runs/{run.id}?task=square")).count("<svg") == 502


async def test_a_run_shows_the_runs_that_are_a_part_of_it(api: Api) -> None:
    whole = await _make(api, "Running", name="whole")
    for number in range(22):
        await _make(api, "Running", name=f"part-{number:02}", parent=whole.id)
    page = await _page(api, f"/runs/{whole.id}")
    assert len(set(re.findall(r"part-\d\d", page))) == 20
    assert f'href="/runs?parent={whole.id}"' in page
    parts = await _page(api, f"/runs?parent={whole.id}")
    assert (len(set(re.findall(r"part-\d\d", parts))), ">whole<" in parts) == (22, False)
    assert "are a part of it" not in await _page(api, "/runs/part-00")
