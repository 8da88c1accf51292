"""Variables: read and set by flows and programs, each change with its event."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from upshot import ProcessPoolTaskRunner, Variable, flow, task
from upshot.flows.exceptions import InvalidParameters, InvalidVariable, VariableExists

from .conftest import Seen


def test_a_variable_has_its_value_until_it_is_unset(seen: Seen) -> None:
    assert Variable.get("answer") is None
    assert Variable.get("answer", default=7) == 7
    assert Variable.set("answer", {"a": [date(2026, 1, 2)]}).value == {"a": ["2026-01-02"]}
    assert Variable.get("answer") == {"a": ["2026-01-02"]}
    assert Variable.unset("answer") is True
    assert Variable.unset("answer") is False
    assert seen.names() == ["variable.created", "variable.deleted"]
    Variable.set("answer", 1)
    assert [event["payload"]["version"] for event in seen.events()] == [1, 2, 3]


def test_a_value_is_replaced_only_where_that_is_said(seen: Seen) -> None:
    Variable.set("answer", 1)
    with pytest.raises(VariableExists, match="overwrite"):
        Variable.set("answer", 2)
    assert Variable.get("answer") == 1
    Variable.set("answer", 2, overwrite=True)
    Variable.set("answer", 2, overwrite=True)
    assert seen.names() == ["variable.created", "variable.updated"]
    assert seen.events()[-1]["payload"]["fields"] == ["value"]


@pytest.mark.parametrize("name", ["", "7up", "a-b", "a" * 129, None])
def test_a_name_that_no_variable_can_have_is_refused(seen: Seen, name: Any) -> None:
    with pytest.raises(InvalidVariable, match="name: "):
        Variable.set(name, 1)


def test_a_value_that_is_no_json_is_refused(seen: Seen) -> None:
    with pytest.raises(InvalidParameters, match="value: "):
        Variable.set("answer", object())
    assert not seen.names()


def test_flows_and_tasks_in_other_processes_share_variables(seen: Seen) -> None:
    @flow(task_runner=ProcessPoolTaskRunner(1))
    def f() -> int:
        Variable.set("n", 1)
        return added.submit().result()

    assert f() == 2
    assert Variable.get("n") == 2


@task
def added() -> int:
    made: int = Variable.set("n", Variable.get("n") + 1, overwrite=True).value
    return made


async def test_in_coroutines_they_are_awaited(seen: Seen) -> None:
    await Variable.aset("answer", 1)
    await Variable.set("answer", 2, overwrite=True)
    assert await Variable.get("answer") == await Variable.aget("answer") == 2
    assert await Variable.aunset("answer")
