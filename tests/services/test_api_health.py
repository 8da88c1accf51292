"""Health, metrics and pages: what they say when all is well and when nothing is."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic_core import to_json

from tests.services.api_served import Api, served
from tests.services.test_api_firings import bury, fire
from upshot.events.embedded import EmbeddedStore
from upshot.events.event import Event
from upshot.events.log import Log
from upshot.events.store import Store
from upshot.services.api import metrics, snapshot
from upshot.services.leadership import Leadership

NAMES = {
    "upshot_events_appended",
    "upshot_events_evaluated",
    "upshot_firings",
    "upshot_actions",
    "upshot_event_to_action_seconds",
    "upshot_run_transitions",
    "upshot_runs",
    "upshot_schedule_to_start_seconds",
    "upshot_consumer_lag",
    "upshot_timers",
    "upshot_dead_letters",
    "upshot_duplicates",
    "upshot_leases_lost",
    "upshot_store_memory_bytes",
    "upshot_rejected",
}
HOSTILE = '<script>alert("&")</script>'


async def samples(api: Api) -> dict[str, float]:
    async with api.http.get(api.url + "/metrics") as answer:
        assert answer.status == 200
        text = await answer.text()
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}"] = sample.value
    return found


async def test_the_service_is_ready_once_an_engine_owns_the_log(api: Api) -> None:
    found = await api.get("/readyz", 503)
    assert found["parts"]["store"]["ready"] is True
    assert found["parts"]["engine"]["ready"] is False
    await Leadership(api.store, "engine", 60_000).take()
    found = await api.get("/readyz")
    assert found["status"] == "ready"
    assert set(found["parts"]) == {"store", "engine", "dispatcher", "scheduler", "workers"}


async def test_what_the_engine_has_not_read_is_its_lag(api: Api) -> None:
    await Log(api.store).append(Event(event="a.b", resource={"id": "x"}) for _ in range(7))
    engine = (await api.get("/readyz", 503))["parts"]["engine"]
    assert engine["lag"] == 7
    assert engine["lag_ms"] >= 0
    assert (await samples(api))["upshot_consumer_lag{consumer=engine}"] == 7


async def test_without_the_store_the_service_lives_but_is_not_ready(
    embedded: EmbeddedStore, store_url: str
) -> None:
    async with served(store_url) as api:
        embedded.stop()
        try:
            assert (await api.get("/healthz"))["status"] == "alive"
            assert (await api.get("/readyz", 503))["parts"]["store"]["ready"] is False
            event = {"event": "a.b", "resource": {"id": "x"}}
            async with api.http.post(api.url + "/api/v1/events", json=event) as answer:
                assert answer.status == 503
                assert answer.headers["Retry-After"]
            await api.get("/api/v1/runs", 503)
            async with api.http.get(api.url) as page:
                assert "does not answer" in await page.text()
        finally:
            embedded.start()


async def test_metrics_tell_what_the_store_counted(api: Api) -> None:
    counters: dict[str, Any] = {
        "evaluated": 5,
        "firings:fired": 2,
        "actions:notify:succeeded": 3,
        "run_transitions:flow-run:Failed": 4,
        "duplicates": 6,
        "leases_lost": 1,
        "~event_to_action:2.5": 3,
        "~event_to_action:100": 1,
        "~event_to_action:inf": 1,
        "~event_to_action:sum": 120_000.5,
    }
    flat = [part for pair in counters.items() for part in pair]
    await api.store.execute("HSET", api.store.keys("counters"), *flat)
    await bury(api)
    found = await samples(api)
    assert found["upshot_events_evaluated_total{}"] == 5
    assert found["upshot_firings_total{outcome=fired}"] == 2
    assert found["upshot_actions_total{outcome=succeeded,type=notify}"] == 3
    assert found["upshot_run_transitions_total{kind=flow-run,state=Failed}"] == 4
    assert found["upshot_duplicates_total{}"] == 6
    assert found["upshot_leases_lost_total{}"] == 1
    assert found["upshot_event_to_action_seconds_bucket{le=0.001}"] == 0
    assert found["upshot_event_to_action_seconds_bucket{le=0.0025}"] == 3
    assert found["upshot_event_to_action_seconds_bucket{le=0.1}"] == 4
    assert found["upshot_event_to_action_seconds_bucket{le=+Inf}"] == 5
    assert found["upshot_event_to_action_seconds_count{}"] == 5
    assert found["upshot_event_to_action_seconds_sum{}"] == pytest.approx(120.0005)
    assert found["upshot_dead_letters{}"] == 1
    assert found["upshot_runs{state=Running}"] == 0
    assert found["upshot_store_memory_bytes{}"] > 100_000


async def test_every_metric_that_is_promised_is_there(store: Store) -> None:
    assert {family.name for family in metrics.families(await snapshot.take(store))} == NAMES


async def test_the_histograms_have_the_bounds_that_the_store_counts_by(store: Store) -> None:
    from upshot.events.library import library

    line = next(line for line in library().splitlines() if line.startswith("local BOUNDS"))
    assert tuple(
        json.loads(f"[{line[line.index('{') + 1 : line.index('}')]}]".replace("'", '"'))
    ) == (metrics.BOUNDS_MS)


async def test_the_dashboard_shows_what_goes_on_and_executes_nothing(api: Api) -> None:
    resource = {"id": HOSTILE, "name": HOSTILE}
    await Log(api.store).append([Event(event="order.placed", resource=resource)])
    await fire(api, "f1", 1_767_225_600_000, HOSTILE)
    await bury(api, reason=HOSTILE, automation=HOSTILE)
    async with api.http.get(api.url) as answer:
        assert answer.status == 200
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        text = await answer.text()
    assert all(" src=" in tag for tag in re.findall("<script[^>]*>", text))
    assert text.count("&lt;script&gt;") >= 5
    for expected in ("order.placed", "threshold reached", "2026-01-01 00:00:00", "Nothing ran yet"):
        assert expected in text


async def test_an_unexpected_error_tells_an_id_and_no_more(api: Api) -> None:
    await api.store.execute("HSET", api.store.keys("docs", "variable"), "broken", b"1 {nope")
    answer = await api.get("/api/v1/variables", 500)
    assert answer["type"].endswith("internal-error")
    assert "Traceback" not in json.dumps(answer)
    assert len(answer["detail"].split()[-1]) == 36


async def test_the_api_describes_every_route_of_itself(api: Api) -> None:
    document = await api.get("/openapi.json")
    for path in ("/api/v1/events", "/hooks/{slug}", "/api/v1/apply", "/api/v1/runs", "/readyz"):
        assert path in document["paths"]
    assert set(document["paths"]["/api/v1/events"]) == {"get", "post"}
    assert "Event" in document["components"]["schemas"]
    async with api.http.get(api.url + "/docs") as answer:
        text = await answer.text()
    for path in document["paths"]:
        assert path in text
    assert "http:" not in text
    assert "https:" not in text


async def test_a_worker_is_listed_as_it_described_itself(api: Api) -> None:
    record = {"name": "w1", "pool": "gpu", "running": 2, "seen": 1}
    await api.store.execute("HSET", api.store.keys("workers"), "w1", to_json(record))
    assert (await api.get("/api/v1/workers"))["items"] == [record]
    (pool,) = (await api.get("/api/v1/work-pools"))["items"]
    assert (pool["name"], pool["workers"], pool["running"]) == ("gpu", 1, 2)
