"""Definitions are reviewed before they are stored: circles are refused, doubtful things told."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.services.api_served import Api
from tests.services.archived import event as placed
from tests.services.archived import steps
from upshot.events.log import Log
from upshot.events.store import Store
from upshot.flows.runs.flowrun import new_run
from upshot.flows.runs.registry import Runs
from upshot.flows.states import State
from upshot.services.automation import Automation
from upshot.services.client import Client
from upshot.services.definitions.catalog import Catalog
from upshot.services.definitions.linting import Linter
from upshot.services.definitions.planning import change_of
from upshot.services.definitions.review import Review
from upshot.services.exceptions import Refused, RequestRefused


def rule(name: str, waits: str, makes: str, **more: Any) -> dict[str, Any]:
    actions = [{"emit-event": {"event": makes}}]
    return {"name": name, "trigger": {"expect": [waits]}, "actions": actions, **more}


NAMED = {
    "receivers": [{"name": "x", "url": "json://127.0.0.1:9000/"}],
    "deployments": [{"name": "etl/n", "entrypoint": "etl.py:etl"}],
}
"""What the actions of these tests name."""

ALLOWED = {"control": {"allow_cycles": ["a", "b"]}}


@pytest.fixture
async def api(api: Api) -> Api:
    await api.post("/api/v1/apply", json=NAMED)
    return api


async def names(api: Api) -> list[str]:
    return [each["name"] for each in (await api.get("/api/v1/automations"))["items"]]


async def test_applying_a_circle_is_refused_once_with_the_way_round(api: Api) -> None:
    body = {"automations": [rule("a", "x", "y"), rule("b", "y", "x")]}
    for dry_run in (True, False):
        found = await api.post("/api/v1/apply", 422, json={**body, "dry_run": dry_run})
        assert "a → b → a: emit-event 'y' of 'a' sets off 'b'" in found["detail"]
        assert [each["name"] for each in found["errors"]] == ["a"]
        assert found["errors"][0]["field"] == "actions.0"
        assert "control.allow_cycles: [a, b]" in found["errors"][0]["message"]
    assert await names(api) == []


async def test_a_circle_with_what_is_stored_is_refused_however_it_is_saved(api: Api) -> None:
    await api.post("/api/v1/automations", 201, json=rule("a", "x", "y"))
    path = "/api/v1/automations/b"
    await api.post("/api/v1/automations", 422, json=rule("b", "y", "x"))
    await api.ask("PUT", path, 422, json=rule("b", "y", "x"), headers={"If-None-Match": "*"})
    await api.post("/api/v1/automations", 201, json=rule("b", "y", "z"))
    patch = {"actions": [{"emit-event": {"event": "x"}}]}
    await api.ask("PATCH", path, 422, json=patch, headers={"If-Match": "*"})
    assert (await api.get(path))["version"] == 1
    await api.ask("PATCH", path, 200, json={**patch, **ALLOWED}, headers={"If-Match": "*"})


async def test_a_circle_that_is_opened_in_the_same_plan_is_none(api: Api) -> None:
    await api.post("/api/v1/automations", 201, json=rule("a", "x", "y"))
    both = {"automations": [rule("a", "x", "z"), rule("b", "y", "x")]}
    found = await api.post("/api/v1/apply", json=both)
    assert [each["change"] for each in found["changes"]] == ["updated", "created"]
    only = {"automations": [rule("c", "z", "x")], "prune": True}
    await api.post("/api/v1/apply", json=only)
    assert await names(api) == ["c"]


async def test_a_possible_circle_is_stored_with_a_warning(api: Api) -> None:
    doc = rule("a", "flow-run.failed", "x")
    doc["actions"] = [{"run-deployment": {"deployment": "etl/n"}}]
    found = await api.post("/api/v1/apply", json={"automations": [doc], "dry_run": True})
    (warning,) = found["warnings"]
    assert (warning["kind"], warning["name"], warning["field"]) == ("automation", "a", "actions.0")
    assert "may go round in a circle: a → a: run-deployment 'etl/n' of 'a'" in warning["message"]
    assert warning["message"].endswith(
        "control.max_depth says how often in a row, once unless it is set"
    )
    shown = await api.post("/api/v1/automations", 201, json=doc)
    assert len(shown["warnings"]) == 1
    again = await api.ask(
        "PUT", "/api/v1/automations/a", 200, json=shown, headers={"If-Match": "*"}
    )
    assert again["version"] == 1


async def test_what_others_stored_meanwhile_counts(store: Store) -> None:
    one, other = Catalog(store, Review(store)), Catalog(store, Review(store))
    await one.put("automation", "a", rule("a", "x", "y"))
    with pytest.raises(Refused, match="a → a"):
        await one.put("automation", "a", rule("a", "x", "x"))
    await other.put("automation", "b", rule("b", "y", "z"))
    with pytest.raises(Refused, match="c → a → b → c"):
        await one.put("automation", "c", rule("c", "z", "x"))
    await other.delete("automation", "b")
    await one.put("automation", "c", rule("c", "z", "x"))


async def test_a_refused_change_leaves_no_trace_in_what_is_remembered(store: Store) -> None:
    catalog = Catalog(store, Review(store))
    await catalog.put("automation", "a", rule("a", "x", "y"))
    for _ in range(2):
        with pytest.raises(Refused):
            await catalog.put("automation", "b", rule("b", "y", "x"))
    await catalog.put("automation", "b", rule("b", "y", "z"))
    await catalog.put("automation", "c", rule("c", "q", "x"))


async def test_a_definition_of_another_version_hinders_no_review(store: Store) -> None:
    strange = {"name": "old", "trigger": {"type": "oracle"}, "actions": [{"pray": None}]}
    await Catalog(store).put("automation", "old", strange)
    await Catalog(store).put("automation", "older", {"name": "older"})
    await Catalog(store, Review(store)).put("automation", "a", rule("a", "x", "y"))


async def test_saving_from_python_is_reviewed_too(api: Api) -> None:
    client = Client(api.url, None)
    circle = [{"emit-event": {"event": "x"}}]
    saved = Automation(name="a", trigger={"expect": ["x"]}, actions=circle)
    with pytest.raises(RequestRefused, match="a → a"):
        await asyncio.to_thread(saved.save, client)
    runs = [{"run-deployment": {"deployment": "etl/n"}}]
    risky = Automation(name="r", trigger={"expect": ["flow-run.failed"]}, actions=runs)
    with pytest.warns(UserWarning, match="may go round"):
        assert await asyncio.to_thread(risky.save, client) == "created"


def reading(text: str, **trigger: Any) -> dict[str, Any]:
    actions = [{"notify": {"to": "x", "title": text}}]
    return {"name": "r", "trigger": {"expect": ["order.placed"], **trigger}, "actions": actions}


async def test_a_field_that_no_recorded_event_has_is_a_warning(api: Api) -> None:
    text = "{{ event.payload.amont }}"
    body = {"automations": [reading(text)], "dry_run": True}
    assert (await api.post("/api/v1/apply", json=body))["warnings"] == []  # nothing is known yet
    events = [
        {"event": "order.placed", "resource": {"id": f"o.{n}"}, "payload": {"amount": n}}
        for n in range(3)
    ]
    await api.post("/api/v1/events", 202, json=events)
    (warning,) = (await api.post("/api/v1/apply", json=body))["warnings"]
    assert warning == {
        "kind": "automation",
        "name": "r",
        "field": "actions.0.notify.title",
        "message": "event.payload.amont: none of the last 3 order.placed events has it"
        " (did you mean 'amount'?)",
    }
    again = {"automations": [reading(text)], "dry_run": True}
    shown = await api.post("/api/v1/automations", 201, json=reading(text))
    assert (await api.post("/api/v1/apply", json=again))["warnings"] == [warning]  # unchanged
    assert [each["field"] for each in shown["warnings"]] == ["actions.0.notify.title"]


async def test_what_may_have_anything_is_not_judged(api: Api) -> None:
    await api.post("/api/v1/events", 202, json=[{"event": "order.placed", "resource": {"id": "o"}}])
    for expect in (["*"], ["order.placed", "order.unheard"], ["*.placed"]):
        body = {"automations": [reading("{{ event.payload.x }}", expect=expect)]}
        assert (await api.post("/api/v1/apply", json=body))["warnings"] == []
    body = {"automations": [reading("{{ event.payload.x }}", expect=["order.*"])]}
    assert len((await api.post("/api/v1/apply", json=body))["warnings"]) == 1


async def test_fields_that_only_some_events_of_runs_have_are_known(api: Api) -> None:
    run = new_run("etl", state=State("Failed"))
    await Runs(api.store).create(run)
    for text, count in (
        ("{{ event.payload.attempt }} {{ event.payload.due }}", 0),
        ("{{ event.payload.state.name }}", 0),
        ("{{ event.payload.attemt }}", 1),
    ):
        for_each = ["related:deployment:name"]
        doc = reading(text, expect=["flow-run.failed"], for_each=for_each)
        found = await api.post("/api/v1/apply", json={"automations": [doc], "dry_run": True})
        assert len(found["warnings"]) == count, found["warnings"]


async def test_what_the_log_has_no_more_is_found_in_the_archive(
    store: Store, tmp_path: Path
) -> None:
    async with steps(store, tmp_path) as archiver:
        await Log(store).append([placed(n, payload={"amount": n}) for n in range(5)])
        await archiver.catch_up()
        await store.execute("XTRIM", store.keys("log"), "MAXLEN", 0)
        linter = Linter(store, archiver.archive)
        change = change_of("automation", "r", reading("{{ event.payload.amont }}"), None)
        (warning,) = await linter(change)
    assert "none of the last 5 order.placed events" in warning["message"]


async def test_names_of_nothing_in_actions_are_told_with_the_nearest(api: Api) -> None:
    notify: dict[str, Any] = {"to": ["oncall", "{{ event.payload.who }}"], "title": "x"}
    rules: dict[str, Any] = {
        "name": "names",
        "trigger": {"expect": ["x"]},
        "actions": [{"run-deployment": {"deployment": "etl/nigthly"}}, {"notify": notify}],
        "budget": {"max": 1, "within": "1d", "then": [{"notify": {"to": "nobody", "title": "x"}}]},
    }
    receivers = [{"name": "oncall", "url": "json://127.0.0.1:9000/"}]
    deployments = [{"name": "etl/nightly", "entrypoint": "etl.py:etl"}]
    body = {"automations": [rules], "receivers": receivers, "deployments": deployments}
    for _ in range(2):  # also when they stay as they are
        found = await api.post("/api/v1/apply", json=body)
        assert [(each["field"], each["message"]) for each in found["warnings"]] == [
            (
                "actions.0.run-deployment.deployment",
                "no deployment is called 'etl/nigthly' (did you mean 'etl/nightly'?)",
            ),
            ("budget.then.0.notify.to", "no receiver is called 'nobody'"),
        ]
    rules["actions"], rules["budget"] = [{"run-deployment": {"deployment": "etl/nightly"}}], None
    assert (await api.post("/api/v1/apply", json={"automations": [rules]}))["warnings"] == []
    gone = {"deployments": [], "automations": [rules], "prune": True}
    (warning,) = (await api.post("/api/v1/apply", json=gone))["warnings"]
    assert warning["message"] == "no deployment is called 'etl/nightly'"
