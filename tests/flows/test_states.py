"""The state machine: one table in two languages, and no way around it."""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from upshot.events.exceptions import IllegalTransition
from upshot.events.ids import new_id
from upshot.events.store import library
from upshot.flows.exceptions import NotCompleted
from upshot.flows.runs import create_arguments, new_run
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


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(batches=st.lists(st.lists(st.sampled_from(StateType), min_size=1, max_size=5), max_size=5))
def test_a_task_run_goes_through_legal_states_only(
    seen: Seen, batches: list[list[StateType]]
) -> None:
    seen.store.client.flushall()
    run = new_run("f", state=State("Running"))
    seen.store.call("create_run", *create_arguments(run, lease_ms=10_000))
    present: StateType | None = None
    written: list[StateType] = []
    for number, batch in enumerate(batches, 1):
        expected, legal = present, True
        for kind in batch:
            undone = (
                expected is kind is StateType.COMPLETED
            )  # RolledBack
            legal = legal and (expected is None or undone or kind in LEGAL[expected])
            expected = kind
        parts = [part for kind in batch for part in ("t", kind.value, "{}", '{"event":"x"}')]
        if legal:
            assert seen.store.call("record_tasks", run.id, 1, number, *parts) == len(batch)
            present, written = expected, written + batch
        else:
            with pytest.raises(IllegalTransition):
                seen.store.call("record_tasks", run.id, 1, number, *parts)
        stored = seen.store.execute("HGET", seen.store.keys("tasks", run.id), "t")
        assert stored == (None if present is None else f"{present.value} {{}}".encode())
    assert len(seen.names("x")) == len(written)


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
