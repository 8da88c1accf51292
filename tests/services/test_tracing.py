"""Traces: an event between its causes and its effects, through the log and the archive."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.services.api_served import Api
from tests.services.archived import Steps
from upshot.events.store import Store
from upshot.services.cli.printing import console
from upshot.services.cli.tracing import tree
from upshot.services.definitions.past import find_event
from upshot.services.history.address import SQLITE
from upshot.services.history.tracing import trace


async def happen(api: Api, *pairs: tuple[str, str | None]) -> None:
    events = [
        {"id": each, "event": "thing.done", "resource": {"id": f"thing.{each}"}, "follows": before}
        for each, before in pairs
    ]
    await api.post("/api/v1/events", 202, json=events)


CHAIN = [("a", None), ("x", None), ("b", "a"), ("c", "b"), ("d", "c"), ("e", "c"), ("y", "x")]


def ids(events: list[dict[str, Any]]) -> list[str]:
    return [event["id"] for event in events]


async def test_a_trace_goes_back_to_the_first_cause_and_forward_to_the_last_effect(
    api: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    await happen(api, *CHAIN)
    found = await api.get("/api/v1/events/b/trace")
    assert (ids(found["causes"]), ids(found["effects"])) == (["a"], ["c", "d", "e"])
    assert (found["missing"], found["more"]) == (None, False)
    console().print(tree(found))
    shown = capsys.readouterr().out.splitlines()
    assert [line.rstrip()[-7:] for line in shown] == [f"thing.{each}" for each in "abcde"]


async def test_an_event_is_found_by_its_id(api: Api) -> None:
    await happen(api, *CHAIN)
    shown = await api.get("/api/v1/events/b")
    assert shown == (await api.get("/api/v1/events/b/trace"))["event"]
    await api.get("/api/v1/events/nothing", 404)


async def test_a_cause_that_is_not_recorded_is_named(api: Api) -> None:
    await happen(api, ("b", "gone"), ("c", "b"))
    found = await api.get("/api/v1/events/c/trace")
    assert (ids(found["causes"]), found["missing"]) == (["b"], "gone")
    await api.get("/api/v1/events/nothing/trace", 404)


async def test_events_that_follow_each_other_do_not_trace_for_ever(api: Api) -> None:
    await happen(api, ("a", "b"), ("b", "a"))
    found = await api.get("/api/v1/events/b/trace")
    assert (ids(found["causes"]), ids(found["effects"])) == (["a"], [])
    assert found["missing"] is None


async def test_what_was_trimmed_is_traced_in_the_archive(api: Api, tmp_path: Path) -> None:
    await happen(api, *CHAIN[:4])
    steps = Steps(api.store, f"{SQLITE}{tmp_path / 'history.db'}")
    await steps.catch_up()
    await api.store.execute("XTRIM", api.store.keys("log"), "MAXLEN", 0)
    await happen(api, *CHAIN[4:])
    store: Store = api.store
    found = await trace(store, steps.archive, await find_event(store, steps.archive, "c"))
    assert [each.id for each in found.causes] == ["a", "b"]
    assert [each.id for each in found.effects] == ["d", "e"]
    await steps.archive.close()
