"""Transactions: undone newest first, committed once, gone on with after a crash."""

from __future__ import annotations

import asyncio
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from upshot import INPUTS, CommitMode, flow, get_transaction, task, transaction
from upshot.events.store import Store
from upshot.flows.exceptions import OutsideRun, TransactionFailed
from upshot.flows.runs.registry import Runs
from upshot.flows.states import State
from upshot.flows.transactions.transaction import Transaction

from .conftest import Processes, Seen, eventually


@pytest.fixture
def told() -> list[Any]:
    return []


class Steps:
    """Tasks that tell when they are done, undone and committed."""

    def __init__(self, told: list[Any]) -> None:
        @task
        def step(name: str) -> str:
            told.append(name)
            inside = get_transaction()
            if inside is not None:
                inside.set("name", name)
            return name.upper()

        @step.on_rollback
        def undo(txn: Transaction) -> None:
            told.append(f"undo {txn.get('name')}")

        @step.on_commit
        def done(txn: Transaction) -> None:
            told.append(f"commit {txn.get('name')}")

        @task
        def fails() -> None:
            raise ValueError("no")

        self.step, self.fails = step, fails


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


def test_a_hook_that_fails_keeps_none_of_the_others_from_running(
    seen: Seen, told: list[Any]
) -> None:
    steps = Steps(told)

    @steps.step.on_rollback
    def broken(txn: Transaction) -> None:
        raise RuntimeError("can't")

    @flow
    def f() -> None:
        with transaction():
            steps.step("a")
            steps.step("b")
            raise ValueError("why")

    with pytest.raises(ValueError, match="why"):
        f()
    assert told == ["a", "b", "undo b", "undo a"]
    message = seen.tasks()["step-0"]["state"]["message"]
    assert message == "undone with its transaction; a hook failed: RuntimeError: can't"


def test_a_hook_that_fails_on_commit_undoes_the_block_and_says_so(
    seen: Seen, told: list[Any]
) -> None:
    steps = Steps(told)

    @steps.step.on_commit
    def broken(txn: Transaction) -> None:
        raise RuntimeError("can't")

    @flow
    def f() -> None:
        with transaction():
            steps.step("a")

    with pytest.raises(TransactionFailed, match="a hook failed on commit"):
        f()
    assert told == ["a", "commit a", "undo a"]


def test_a_committed_key_skips_the_whole_block_in_any_run(seen: Seen, told: list[Any]) -> None:
    steps = Steps(told)

    @task
    def large(name: str) -> str:
        told.append("large")
        return name * 100_000

    @flow
    def f(overwrite: bool = False) -> tuple[bool, str, int]:
        with transaction(key="monthly", overwrite=overwrite) as txn:
            before = txn.is_committed()
            value = steps.step("a")
            with transaction():
                size = len(large("x"))
        return before, value, size

    assert f() == (False, "A", 100_000)
    assert f() == (True, "A", 100_000)
    assert told == ["a", "large", "commit a"]
    last = seen.runs()[-1]
    assert seen.states("step-0", last.id) == ["Pending", "Cached"]
    message = seen.tasks(last.id)["step-0"]["state"]["message"]
    assert message.startswith("transaction 'monthly' was committed by ")
    assert f(overwrite=True) == (False, "A", 100_000)
    assert told.count("a") == 2


def test_a_block_that_was_undone_commits_no_key_and_caches_nothing(
    seen: Seen, told: list[Any]
) -> None:
    @task(cache_policy=INPUTS)
    def cached(x: int) -> int:
        told.append(x)
        return x

    @flow
    def f(fail: bool) -> None:
        with transaction(key="once"):
            cached(1)
            if fail:
                raise ValueError("why")

    with pytest.raises(ValueError, match="why"):
        f(True)
    f(False)
    assert told == [1, 1]

    @flow
    def g() -> int:
        return cached(1)

    g()
    assert told == [1, 1]


def test_a_result_that_is_not_known_is_no_reason_to_run_twice(seen: Seen, told: list[Any]) -> None:
    @task(persist_result=False)
    def secret() -> str:
        told.append("ran")
        return "secret"

    @flow
    def f() -> None:
        with transaction(key="k"):
            secret()

    f()
    with pytest.raises(TransactionFailed, match="'k' is committed, and what it returned is not"):
        f()
    assert told == ["ran"]


def test_one_at_a_time_has_a_serializable_key(seen: Seen, told: list[Any]) -> None:
    gate = threading.Event()

    @task
    def work() -> int:
        told.append("ran")
        gate.wait(5)
        return len(told)

    @flow
    def f() -> int:
        with transaction(key="k", isolation_level="SERIALIZABLE"):
            return work()

    results: list[int] = []
    threads = [threading.Thread(target=lambda: results.append(f())) for _ in range(3)]
    for thread in threads:
        thread.start()
    eventually(lambda: told)
    gate.set()
    for thread in threads:
        thread.join()
    assert (told, results) == (["ran"], [1, 1, 1])
    assert seen.store.execute("HLEN", seen.store.keys("locks")) == 0


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
    with pytest.raises(ValueError, match="key: must have 1 to 500"):
        transaction(key="")
    with pytest.raises(ValueError, match="'SOON' is not a valid CommitMode"):
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


CRASH = """
import os, signal, time
from pathlib import Path
from upshot import flow, task, transaction, get_transaction
here = Path(__file__).parent

def note(word):
    with open(here / "told", "a") as file:
        file.write(word + "\\n")

def die_once(where):
    if (here / f"die-{where}").exists():
        (here / f"die-{where}").unlink()
        time.sleep(0.1)  # for what was done to be written
        os.kill(os.getpid(), signal.SIGKILL)

@task
def step(name):
    get_transaction().set("name", name)
    note(name)

@step.on_rollback
def undo(txn):
    name = txn.get("name")
    die_once(f"before-{name}")
    note(f"undo {name}")

@step.on_commit
def done(txn):
    note(f"commit {txn.get('name')}")
    die_once("commit")

@task
def gate(needs):
    if not (here / "go").exists():
        raise ValueError("not yet")

@flow
def f():
    with transaction() as txn:
        step("a")
        step("b")
        die_once("in")
        step("c")
        gate(1)
    die_once("after")
    return "done"
"""


def crash(processes: Processes, folder: Path, *where: str) -> str:
    """Let the flow run die in these places, and retry it after each."""
    for name in where:
        (folder / f"die-{name}").touch()
    run = processes.create(processes.module(CRASH) + ":f")
    code, errors = processes.start(processes.take(run.id)).end()
    assert code == -signal.SIGKILL, errors
    for _ in where:
        processes.change(run.id, State("Crashed", "killed"))
        processes.retry(run.id)
    return run.id


def lines(folder: Path) -> list[str]:
    return (folder / "told").read_text().split("\n")[:-1]


def test_a_block_whose_process_died_goes_on(processes: Processes, tmp_path: Path) -> None:
    (tmp_path / "go").touch()
    run_id = crash(processes, tmp_path, "in", "after")
    assert processes.seen.run(run_id).result == "done"
    assert lines(tmp_path) == ["a", "b", "c", "commit a", "commit b", "commit c"]


def test_what_was_done_before_the_crash_is_undone_after_it(
    processes: Processes, tmp_path: Path
) -> None:
    run_id = crash(processes, tmp_path, "in")
    run = processes.seen.run(run_id)
    assert (run.state.name, run.state.message) == ("Failed", "ValueError: not yet")
    assert lines(tmp_path) == ["a", "b", "c", "undo c", "undo b", "undo a"]


def test_undoing_goes_on_after_a_crash_and_nothing_is_undone_twice(
    processes: Processes, tmp_path: Path
) -> None:
    run_id = crash(processes, tmp_path, "before-b", "before-a")
    run = processes.seen.run(run_id)
    assert lines(tmp_path) == ["a", "b", "c", "undo c", "undo b", "undo a"]
    assert run.state.name == "Failed"
    (tmp_path / "go").touch()
    assert processes.retry(run_id).result == "done"
    assert lines(tmp_path)[6:] == ["a", "b", "c", "commit a", "commit b", "commit c"]


def test_a_commit_goes_on_after_a_crash(processes: Processes, tmp_path: Path) -> None:
    (tmp_path / "go").touch()
    run_id = crash(processes, tmp_path, "commit")
    assert processes.seen.run(run_id).result == "done"
    # The process died before the store knew that the first hook was through: at least once.
    assert lines(tmp_path)[3:] == ["commit a", "commit a", "commit b", "commit c"]


def test_who_died_in_a_block_undoes_its_part_when_another_run_committed_the_key(
    processes: Processes, tmp_path: Path
) -> None:
    (tmp_path / "go").touch()
    (tmp_path / "die-in").touch()
    path = processes.module(CRASH.replace("with transaction()", 'with transaction(key="k")')) + ":f"
    first = processes.create(path)
    processes.go(first.id)
    assert lines(tmp_path) == ["a", "b"]
    second, _ = processes.execute(path)
    assert second.result == "done"
    told = lines(tmp_path)[2:]
    assert told == ["a", "b", "c", "commit a", "commit b", "commit c"]
    processes.change(first.id, State("Crashed", "killed"))
    failed = processes.retry(first.id)
    assert failed.state.message == (
        "TransactionFailed: not run: another run committed 'k' meanwhile; "
        "what was done here is undone"
    )
    assert lines(tmp_path)[8:] == ["undo b", "undo a"]
    assert processes.retry(first.id).result == "done"
    assert len(lines(tmp_path)) == 10


SUSPENDED = """
from pathlib import Path
from upshot import flow, suspend_flow_run, task, transaction
told = Path(__file__).with_name("told")

@task
def step(name):
    with told.open("a") as file:
        file.write(f"{name}\\n")

@step.on_rollback
def undo(txn):
    with told.open("a") as file:
        file.write("undo\\n")

@flow
def f(fails: bool):
    with transaction(key="k", isolation_level="SERIALIZABLE"):
        step("a")
        suspend_flow_run()
        step("b")
        if fails:
            raise ValueError("why")
"""


@pytest.mark.parametrize("fails", [False, True])
def test_a_suspended_block_goes_on_in_another_process(
    processes: Processes, tmp_path: Path, fails: bool
) -> None:
    path = processes.module(SUSPENDED)
    run, code = processes.execute(f"{path}:f", parameters={"fails": fails})
    assert (run.state.name, code) == ("Suspended", 0)
    assert lines(tmp_path) == ["a"]

    async def resume() -> None:
        store = Store(processes.seen.store.url)
        await Runs(store).resume(run.id)
        await store.close()

    asyncio.run(resume())
    processes.go(run.id)
    assert processes.seen.run(run.id).state.name == ("Failed" if fails else "Completed")
    assert lines(tmp_path) == ["a", "b"] + (["undo", "undo"] if fails else [])
    assert processes.seen.store.execute("HLEN", processes.seen.store.keys("locks")) == 0
