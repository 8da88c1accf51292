"""The state machine: one table in two languages, and no way around it."""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from upshot.events.exceptions import IllegalTransition
from upshot.events.ids import new_id
from upshot.events.library import library
from upshot.flows.exceptions import NotCompleted
from upshot.flows.runs.flowrun import new_run
from upshot.flows.runs.transitions import create_arguments
from upshot.flows.states import ENDED, LEGAL, NAMES, State, StateType

from .conftest import Seen


def test_the_table_of_the_store_is_the_table_of_the_states() -> None:
    block = re.search(r"local LEGAL = \{\n(.*?)\n\}", library(), re.DOTALL)
    assert block is not None
    table = {
        StateType(kind): frozenset(StateType(name) for name in re.findall(r"(\w+)=1", row))
        for kind, row in re.findall(r"(\w+) = \{(.*?)\},", block.group(1))
    }
    assert table == LEGAL


def test_every_type_is_a_name_of_its_own() -> None:
    assert all(NAMES[kind.value] is kind for kind in StateType)


STATES = [*(kind.value for kind in StateType), "RolledBack"]


def may_follow(present: str | None, name: str) -> bool:
    if name == "RolledBack" and present == "Completed":
        return True  # it is undone; that it completed once more is not to be told
    return present is None or NAMES[name] in LEGAL[NAMES[present]]


def record(name: str) -> str:
    state = f'{{"type":"{NAMES[name]}","name":"{name}"}}'
    return f'{{"state":{state},"result":{{"state":{state.replace(name, "RolledBack")}}}}}'


def entry(name: str) -> tuple[str, str, str, str]:
    event = f'{{"event":"x","resource":{{"state":"{name}"}}}}'
    return "t", NAMES[name].value, record(name), event


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@example(batches=[["RolledBack", "RolledBack"]])
@example(batches=[["Completed"], ["RolledBack"], ["RolledBack"]])
@given(batches=st.lists(st.lists(st.sampled_from(STATES), min_size=1, max_size=5), max_size=5))
def test_a_task_run_goes_through_legal_states_only(seen: Seen, batches: list[list[str]]) -> None:
    seen.store.execute("FLUSHALL")
    run = new_run("f", state=State("Running"))
    seen.store.call("create_run", *create_arguments(run, lease_ms=10_000))
    present: str | None = None
    written: list[str] = []
    for number, batch in enumerate(batches, 1):
        expected, legal = present, True
        for name in batch:
            legal = legal and may_follow(expected, name)
            expected = name
        parts = [part for name in batch for part in entry(name)]
        if legal:
            assert seen.store.call("record_tasks", run.id, 1, number, *parts) == len(batch)
            present, written = expected, written + batch
        else:
            with pytest.raises(IllegalTransition):
                seen.store.call("record_tasks", run.id, 1, number, *parts)
        stored = seen.store.execute("HGET", seen.store.keys("tasks", run.id), "t")
        assert stored == (
            None if present is None else f"{entry(present)[1]} {record(present)}".encode()
        )
    assert len(seen.names("x")) == len(written)


def test_a_task_run_completes_once(seen: Seen) -> None:
    run = new_run("f", state=State("Running"))
    seen.store.call("create_run", *create_arguments(run, lease_ms=10_000))
    seen.store.call("record_tasks", run.id, 1, 1, *entry("Completed"))
    with pytest.raises(IllegalTransition, match="is Completed and can not become Completed"):
        seen.store.call("record_tasks", run.id, 1, 2, *entry("Completed"))
    seen.store.call("record_tasks", run.id, 1, 2, *entry("RolledBack"))
    with pytest.raises(IllegalTransition, match="can not become Completed"):
        seen.store.call("record_tasks", run.id, 1, 3, *entry("RolledBack"))
    assert len(seen.names("x")) == 2


def test_nothing_follows_completed_and_what_ended_otherwise_can_be_scheduled() -> None:
    assert LEGAL[StateType.COMPLETED] == frozenset()
    for kind in ENDED - {StateType.COMPLETED}:
        assert LEGAL[kind] == {StateType.SCHEDULED}


def test_the_result_of_a_state_is_its_data_or_its_exception() -> None:
    assert State("Completed", data=3).result() == 3
    failed = State("Failed", data=KeyError("k"))
    with pytest.raises(KeyError):
        failed.result()
    assert isinstance(failed.result(raise_on_failure=False), KeyError)
    with pytest.raises(NotCompleted, match="Cancelled: by hand"):
        State("Cancelled", "by hand").result()


def test_ids_sort_by_the_time_they_were_made_at() -> None:
    assert new_id()[:8] <= new_id()[:8]
