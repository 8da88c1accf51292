"""The catalog: definitions change as planned, whole, and with events that tell no secrets."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upshot.events.event import Recorded
from upshot.events.exceptions import Conflict, NotFound
from upshot.events.ids import derived_id
from upshot.events.log import START, Log
from upshot.events.store import Store
from upshot.services.catalog import SECRET_KINDS, Catalog, Change, Verb, plan

NAMES = st.sampled_from("abc")
DOCS = st.dictionaries(NAMES, st.dictionaries(st.sampled_from("xy"), st.integers(0, 2)))


@pytest.fixture
def catalog(store: Store) -> Catalog:
    return Catalog(store)


async def events(store: Store) -> list[Recorded]:
    return (await Log(store).read(START)).events


def verbs(changes: list[Change]) -> dict[str, Verb]:
    return {change.name: change.verb for change in changes}


@given(DOCS, DOCS, st.booleans())
def test_a_plan_turns_what_is_stored_into_what_is_wanted(
    wanted: dict[str, Any], stored: dict[str, Any], prune: bool
) -> None:
    changes = plan(
        {"variable": wanted},
        {"variable": {name: (3, stored[name]) for name in stored}},
        prune=prune,
    )
    result = dict(stored)
    for change in changes:
        assert change.version == (3 if change.name in stored else 0)
        if change.doc is None:
            del result[change.name]
        else:
            result[change.name] = change.doc
        if change.verb is Verb.UNCHANGED:
            assert stored[change.name] == wanted[change.name]
    assert result == (wanted if prune else {**stored, **wanted})
    assert len(verbs(changes)) == len(changes)


async def test_applying_creates_updates_and_leaves_alone(catalog: Catalog) -> None:
    await catalog.apply({"variable": {"a": {"value": 1}, "b": {"value": 1}}})
    changes = await catalog.apply(
        {"variable": {"a": {"value": 1}, "b": {"value": 2, "more": 1}, "c": {}}}
    )
    assert verbs(changes) == {"a": Verb.UNCHANGED, "b": Verb.UPDATED, "c": Verb.CREATED}
    assert changes[1].to_dict() == {
        "kind": "variable",
        "name": "b",
        "change": "updated",
        "fields": ["more", "value"],
    }
    assert await catalog.versions("variable") == {
        "a": (1, {"value": 1}),
        "b": (2, {"value": 2, "more": 1}),
        "c": (1, {}),
    }


async def test_applying_the_same_again_changes_nothing_and_tells_nothing(
    catalog: Catalog, store: Store
) -> None:
    wanted = {"variable": {"a": {"value": 1}}}
    await catalog.apply(wanted)
    assert verbs(await catalog.apply(wanted)) == {"a": Verb.UNCHANGED}
    assert len(await events(store)) == 1


async def test_a_dry_run_tells_the_plan_and_does_nothing(catalog: Catalog, store: Store) -> None:
    changes = await catalog.apply({"variable": {"a": {}}}, dry_run=True)
    assert verbs(changes) == {"a": Verb.CREATED}
    assert await catalog.all("variable") == {}
    assert await events(store) == []


async def test_pruning_deletes_among_the_kinds_that_are_named(catalog: Catalog) -> None:
    await catalog.apply({"variable": {"a": {}, "b": {}}, "receiver": {"r": {}}})
    changes = await catalog.apply({"variable": {"a": {}}}, prune=True)
    assert verbs(changes) == {"a": Verb.UNCHANGED, "b": Verb.DELETED}
    assert set(await catalog.all("variable")) == {"a"}
    assert set(await catalog.all("receiver")) == {"r"}


async def test_two_that_apply_at_once_both_get_through(catalog: Catalog, store: Store) -> None:
    other = Catalog(store)
    await asyncio.gather(
        *(each.apply({"variable": {f"{n}": {"n": n}, "both": {"n": n}}})
          for n, each in enumerate([catalog, other] * 3))
    )  # fmt: skip
    assert len(await catalog.all("variable")) == 7
    assert len(await events(store)) == sum(
        version for version, _ in (await catalog.versions("variable")).values()
    )


async def test_one_that_is_outrun_all_the_time_gives_up_and_says_so(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = catalog.versions

    async def outrun(kind: str) -> dict[str, Any]:
        there = await read(kind)
        monkeypatch.setattr(catalog, "versions", read)
        number = len(there) and there["a"][0]
        await Catalog(catalog._store).apply({"variable": {"a": {"n": number + 1000}}})
        monkeypatch.setattr(catalog, "versions", outrun)
        return there

    monkeypatch.setattr(catalog, "versions", outrun)
    with pytest.raises(Conflict, match="apply again"):
        await catalog.apply({"variable": {"a": {"n": 1}, "b": {}}})
    assert "b" not in await read("variable")


async def test_a_definition_is_found_by_name_or_said_to_be_missing(catalog: Catalog) -> None:
    await catalog.apply({"automation": {"a": {"name": "a"}}})
    assert await catalog.get("automation", "a") == {"name": "a"}
    with pytest.raises(NotFound, match="no automation is called 'b'"):
        await catalog.get("automation", "b")
    with pytest.raises(NotFound):
        await catalog.delete("automation", "b")
    with pytest.raises(NotFound):
        await catalog.pause("automation", "b")


async def test_deleting_is_told_and_a_new_one_begins_anew(catalog: Catalog, store: Store) -> None:
    await catalog.apply({"automation": {"a": {"name": "a"}}})
    await catalog.delete("automation", "a")
    await catalog.apply({"automation": {"a": {"name": "a"}}})
    told = await events(store)
    assert [event.name for event in told] == [
        "automation.created",
        "automation.deleted",
        "automation.created",
    ]
    assert told[1].payload["definition"] is None


async def test_a_pause_is_kept_by_apply_until_somebody_resumes(
    catalog: Catalog, store: Store
) -> None:
    await catalog.apply({"automation": {"a": {"n": 1}}})
    assert await catalog.pause("automation", "a") == {"n": 1, "paused": True}
    assert await catalog.pause("automation", "a") == {"n": 1, "paused": True}
    await catalog.apply({"automation": {"a": {"n": 2}}})
    assert await catalog.get("automation", "a") == {"n": 2, "paused": True}
    assert verbs(await catalog.apply({"automation": {"a": {"n": 2}}})) == {"a": Verb.UNCHANGED}
    assert await catalog.pause("automation", "a", paused=False) == {"n": 2}
    assert [event.name for event in await events(store)] == [
        "automation.created",
        "automation.paused",
        "automation.updated",
        "automation.resumed",
    ]


async def test_events_of_definitions_are_upshots_own_and_name_what_changed(
    catalog: Catalog, store: Store
) -> None:
    await catalog.apply({"deployment": {"etl/nightly": {"pool": "a"}}})
    await catalog.apply({"deployment": {"etl/nightly": {"pool": "b"}}})
    told = (await events(store))[1]
    assert told.own
    assert told.name == "deployment.updated"
    assert told.resource == {
        "id": f"deployment.{derived_id('deployment', 'etl/nightly')}",
        "name": "etl/nightly",
    }
    assert told.payload == {"version": 2, "fields": ["pool"], "definition": {"pool": "b"}}


@pytest.mark.parametrize("kind", sorted(SECRET_KINDS))
async def test_no_event_tells_what_may_be_a_secret(
    catalog: Catalog, store: Store, kind: str
) -> None:
    await catalog.apply({kind: {"a": {"url": "json://user:hunter2@host", "value": "hunter2"}}})
    await catalog.apply({kind: {"a": {"url": "json://user:hunter3@host", "value": "hunter3"}}})
    await catalog.delete(kind, "a")
    told = await events(store)
    assert len(told) == 3
    assert not any("hunter" in str(event.body) for event in told)
