"""Transactions: undone newest first, committed once."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from upshot import CommitMode, flow, get_transaction, task, transaction
from upshot.flows.exceptions import OutsideRun, TransactionFailed
from upshot.flows.transactions.transaction import Transaction

from .conftest import Seen
from .steps import Steps


def test_a_failure_undoes_the_block_newest_first(seen: Seen, told: list[Any]) -> None:
    steps = Steps(told)

    @flow
    def f() -> None:
        steps.step("before")
        with transaction() as txn:
            txn.set("where", "block")
            for name in "abc":
                steps.step(name)
            steps.fails()

    with pytest.raises(ValueError, match="no"):
        f()
    assert told == ["before", "commit before", "a", "b", "c", "undo c", "undo b", "undo a"]
    names = [f"step-{number}" for number in range(4)]
    assert [seen.states(name)[-1] for name in names] == ["Completed"] + 3 * ["RolledBack"]
    assert seen.tasks()["step-1"]["state"]["type"] == "Completed"
    events = [event["event"] for event in seen.events("task-run.")
              if event["resource"]["state"] == "RolledBack"]  # fmt: skip
    assert events == 3 * ["task-run.completed"]


def test_a_block_without_failure_is_committed_in_order(seen: Seen, told: list[Any]) -> None:
    steps = Steps(told)

    @flow
    def f() -> str:
        with transaction(on_commit=[lambda txn: told.append("all")]) as txn:
            steps.step("a")
            steps.step.submit("b").wait()
            assert txn.is_active()
        assert txn.is_committed()
        return "done"

    assert f() == "done"
    assert told == ["a", "b", "commit a", "commit b", "all"]


async def test_it_works_for_coroutines(seen: Seen, told: list[Any]) -> None:
    @task
    async def step(name: str) -> None:
        await asyncio.sleep(0)
        told.append(name)

    @step.on_rollback
    async def undo(txn: Transaction) -> None:
        await asyncio.sleep(0)
        told.append("undo")

    @flow
    async def f() -> None:
        async with transaction():
            await step("a")
            step.submit("b")
            raise KeyError("why")

    with pytest.raises(KeyError):
        await f()
    assert told == ["a", "b", "undo", "undo"]


def test_what_was_submitted_in_a_block_ends_before_it_does(seen: Seen, told: list[Any]) -> None:
    gate = threading.Event()

    @task
    def slow() -> None:
        gate.wait()
        told.append("slow")

    @slow.on_rollback
    def undo(txn: Transaction) -> None:
        told.append("undo")

    @flow
    def f() -> None:
        with transaction():
            slow.submit()
            threading.Timer(0.1, gate.set).start()
            raise ValueError("why")

    with pytest.raises(ValueError, match="why"):
        f()
    assert told == ["slow", "undo"]


@pytest.mark.parametrize(
    ("outer", "inner", "expected"),
    [
        ("LAZY", None, ["undo b", "undo a"]),
        ("LAZY", "LAZY", ["undo b", "undo a"]),
        ("LAZY", "EAGER", ["commit b", "undo a"]),
        ("EAGER", None, ["commit b", "undo a"]),
        ("OFF", "LAZY", ["undo b", "undo a"]),
    ],
)
def test_a_nested_block_goes_with_the_outer_one_unless_it_is_eager(
    seen: Seen, told: list[Any], outer: str, inner: str | None, expected: list[str]
) -> None:
    steps = Steps(told)

    @flow
    def f() -> None:
        with transaction(commit_mode=outer):
            steps.step("a")
            with transaction(commit_mode=inner):
                steps.step("b")
            raise ValueError("why")

    with pytest.raises(ValueError, match="why"):
        f()
    assert told == ["a", "b", *expected]


def test_a_block_that_fails_within_another_is_undone_alone(seen: Seen, told: list[Any]) -> None:
    steps = Steps(told)

    @flow
    def f() -> None:
        with transaction():
            steps.step("a")
            try:
                with transaction():
                    steps.step("b")
                    steps.fails()
            except ValueError:
                steps.step("c")

    f()
    assert told == ["a", "b", "undo b", "c", "commit a", "commit c"]


def test_off_undoes_what_nobody_takes_over(seen: Seen, told: list[Any]) -> None:
    steps = Steps(told)

    @flow
    def f() -> None:
        with transaction(commit_mode=CommitMode.OFF):
            steps.step("a")

    f()
    assert told == ["a", "undo a"]


@pytest.mark.parametrize(
    ("kind", "raised", "said", "expected"),
    [
        ("on_rollback", "why", "; a hook failed: RuntimeError: can't", []),
        ("on_commit", "a hook failed on commit", "", ["commit a", "commit b"]),
    ],
)
def test_a_hook_that_fails_keeps_none_of_the_others_from_running_and_on_commit_undoes(
    seen: Seen, told: list[Any], kind: str, raised: str, said: str, expected: list[str]
) -> None:
    steps = Steps(told)

    def broken(txn: Transaction) -> None:
        raise RuntimeError("can't")

    getattr(steps.step, kind)(broken)

    @flow
    def f() -> None:
        with transaction():
            steps.step("a")
            steps.step("b")
            if kind == "on_rollback":
                raise ValueError("why")

    with pytest.raises((ValueError, TransactionFailed), match=raised):
        f()
    assert told == ["a", "b", *expected, "undo b", "undo a"]
    message = seen.tasks()["step-0"]["state"]["message"]
    assert message == f"undone with its transaction{said}"


def test_values_are_found_in_the_transactions_around(seen: Seen, told: list[Any]) -> None:
    @flow
    def f() -> None:
        with transaction() as outer:
            outer.set("a", 1)
            outer.set("made", object())
            with transaction() as inner:
                inner.set("b", 2)
                told.extend([inner.get("a"), inner.get("b"), inner.get("c", 3)])
                assert get_transaction() is inner
            with pytest.raises(ValueError, match="no value was set under 'b'"):
                outer.get("b")
        assert get_transaction() is None

    f()
    assert told == [1, 2, 3]
    assert any("'made' of a transaction is no JSON" in line for line in seen.messages())


def test_wrong_use_is_refused(seen: Seen) -> None:
    with pytest.raises(OutsideRun, match="works inside of a flow only"), transaction():
        pass
    with pytest.raises(ValueError, match="key: must be a text of 1 to 500 characters"):
        transaction(key="")
    with pytest.raises(ValueError, match="commit_mode: must be one of EAGER"):
        transaction(commit_mode="SOON")
    assert get_transaction() is None


def test_the_next_attempt_of_a_flow_begins_what_was_undone_anew(
    seen: Seen, told: list[Any]
) -> None:
    steps = Steps(told)
    fails = [True, False]

    @flow(retries=1)
    def f() -> None:
        with transaction():
            steps.step("a")
            if fails.pop(0):
                raise ValueError("once")

    f()
    assert told == ["a", "undo a", "a", "commit a"]
