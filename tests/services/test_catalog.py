"""The catalog: definitions change as planned, whole, and with events that tell no secrets."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upshot.events.event import Causation, Recorded
from upshot.events.exceptions import Conflict, NotFound
from upshot.events.ids import derived_id
from upshot.events.log import START, Log
from upshot.events.store import Store
from upshot.services.definitions.catalog import Catalog
from upshot.services.definitions.planning import Change, Verb, identity, plan
from upshot.services.definitions.switching import switch
from upshot.services.definitions.telling import SECRET_KINDS
from upshot.services.exceptions import PlanOutdated, VersionMismatch
from upshot.services.once import Once

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
        "diff": [{"field": "value", "old": 1, "new": 2}, {"field": "more", "new": 1}],
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
    catalog: Catalog, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    put, other = catalog.commit, Catalog(store)

    async def outrun(changes: list[Change], *, once: Once | None = None) -> None:
        await other.apply({"variable": {"a": {"n": changes[0].version + 1000}}})
        await put(changes, once=once)

    monkeypatch.setattr(catalog, "commit", outrun)
    with pytest.raises(Conflict, match="apply again"):
        await catalog.apply({"variable": {"a": {"n": 1}, "b": {}}})
    assert "b" not in await catalog.versions("variable")


async def test_a_definition_is_found_by_name_or_said_to_be_missing(catalog: Catalog) -> None:
    await catalog.apply({"automation": {"a": {"name": "a"}}})
    assert await catalog.get("automation", "a") == {"name": "a"}
    with pytest.raises(NotFound, match="no automation is called 'b'"):
        await catalog.get("automation", "b")
    with pytest.raises(NotFound):
        await catalog.delete("automation", "b")
    with pytest.raises(NotFound):
        await switch(catalog, "automation", "b", True)


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


async def test_versions_are_kept_newest_first_and_go_on_over_a_deletion(
    catalog: Catalog,
) -> None:
    await catalog.apply({"automation": {"a": {"n": 1}}})
    await switch(catalog, "automation", "a", True)
    await catalog.delete("automation", "a")
    (change,) = await catalog.apply({"automation": {"a": {"n": 2}}})
    assert (change.verb, change.version) == (Verb.CREATED, 3)
    assert await catalog.version("automation", "a") == (4, {"n": 2})
    told = [each.to_dict() for each in await catalog.history("automation", "a")]
    assert [(each["version"], each["change"], each["definition"]) for each in told] == [
        (4, "created", {"n": 2}),
        (3, "deleted", None),
        (2, "paused", {"n": 1, "paused": True}),
        (1, "created", {"n": 1}),
    ]


@pytest.mark.parametrize("kind", sorted(SECRET_KINDS))
async def test_no_version_tells_what_may_be_a_secret(catalog: Catalog, kind: str) -> None:
    await catalog.apply({kind: {"a": {"url": "json://user:hunter2@host", "value": "hunter2"}}})
    (version,) = await catalog.history(kind, "a")
    assert version.definition is None
    assert "hunter" not in str(version.to_dict())


async def test_only_the_plan_that_was_shown_is_done(catalog: Catalog) -> None:
    wanted = {"variable": {"a": {"n": 1}}}
    shown = identity(await catalog.apply(wanted, dry_run=True))
    await catalog.apply({"variable": {"a": {"n": 2}}})
    with pytest.raises(PlanOutdated):
        await catalog.apply(wanted, only=shown)
    assert await catalog.get("variable", "a") == {"n": 2}
    again = identity(await catalog.apply(wanted, dry_run=True))
    await catalog.apply(wanted, only=again)
    assert await catalog.get("variable", "a") == {"n": 1}


async def test_a_change_to_another_version_than_the_one_meant_is_refused(catalog: Catalog) -> None:
    await catalog.put("variable", "a", {"n": 1}, expected=0)
    with pytest.raises(VersionMismatch, match="at version 1"):
        await catalog.put("variable", "a", {"n": 2}, expected=0)
    with pytest.raises(VersionMismatch, match="there is none"):
        await catalog.put("variable", "b", {"n": 2}, expected=1)
    with pytest.raises(VersionMismatch):
        await catalog.delete("variable", "a", expected=2)
    assert (await catalog.put("variable", "a", {"n": 2}, expected=1)).verb is Verb.UPDATED
    assert (await catalog.put("variable", "a", {"n": 2})).verb is Verb.UNCHANGED
    await catalog.delete("variable", "a", expected=2)


async def test_of_many_that_change_the_same_version_one_gets_through(catalog: Catalog) -> None:
    await catalog.put("variable", "a", {"n": 0})
    tries = (catalog.put("variable", "a", {"n": n}, expected=1) for n in range(1, 9))
    done = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(each, Change) for each in done) == 1
    assert sum(isinstance(each, VersionMismatch) for each in done) == 7


async def test_a_pause_is_kept_by_apply_until_somebody_resumes(
    catalog: Catalog, store: Store
) -> None:
    await catalog.apply({"automation": {"a": {"n": 1}}})
    assert await switch(catalog, "automation", "a", True)
    assert not await switch(catalog, "automation", "a", True)
    assert await catalog.get("automation", "a") == {"n": 1, "paused": True}
    await catalog.apply({"automation": {"a": {"n": 2}}})
    assert await catalog.get("automation", "a") == {"n": 2, "paused": True}
    assert verbs(await catalog.apply({"automation": {"a": {"n": 2}}})) == {"a": Verb.UNCHANGED}
    assert await switch(catalog, "automation", "a", False)
    assert await catalog.get("automation", "a") == {"n": 2}
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


async def test_what_an_action_changes_is_changed_once_and_told_with_its_cause(
    catalog: Catalog, store: Store
) -> None:
    await catalog.apply({"automation": {"a": {"n": 1}}})
    once = Once("f1", 0, "triggered-1", Causation().passing("e1", "auto-1"))
    assert not await catalog.was_done(once)
    assert await switch(catalog, "automation", "a", True, once=once)
    assert await catalog.was_done(once)
    await switch(catalog, "automation", "a", False)
    await switch(catalog, "automation", "a", True, once=once)
    assert await catalog.get("automation", "a") == {"n": 1}
    paused, resumed = (await events(store))[1:]
    assert (paused.name, resumed.name) == ("automation.paused", "automation.resumed")
    assert paused.body["follows"] == "triggered-1"
    assert paused.causation.automations == {"auto-1": 1}
    assert resumed.body["follows"] is None


async def test_an_action_whose_change_was_refused_has_not_made_it(catalog: Catalog) -> None:
    await catalog.put("variable", "a", {"n": 0})
    once = Once("f1", 0, "triggered-1", Causation())
    late = Change("variable", "a", Verb.UPDATED, 0, {"n": 1})
    with pytest.raises(Conflict):
        await catalog.commit([late], once=once)
    assert not await catalog.was_done(once)
    await catalog.put("variable", "a", {"n": 2}, once=once)
    await catalog.put("variable", "a", {"n": 3}, once=once)
    assert await catalog.get("variable", "a") == {"n": 2}
