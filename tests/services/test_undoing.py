"""What runs left open is undone: by real workers that die meanwhile, or by a command."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.services.api_served import served
from tests.waiting import PATIENCE, until
from upshot.automations.files.declarations import Deployment
from upshot.events.store import Store
from upshot.flows.runs.deployed import run_of
from upshot.flows.runs.registry import Runs
from upshot.services.cli.app import FAILED
from upshot.services.cli.app import run as upshot
from upshot.services.definitions.catalog import Catalog

from .running import service, submit, until_state, worker

FLOWS = """
import os, signal, sys, time
from pathlib import Path
from upshot import flow, get_transaction, suspend_flow_run, task, transaction

def note(path, word):
    with open(path, "a") as file:
        file.write(word + "\\n")

@task
def step(path, number):
    get_transaction().set("told", [path, number])
    note(path, f"do {number}")

@step.on_rollback
def undo(txn):
    path, number = txn.get("told")
    deadly = Path(f"{path}.{number}")
    if deadly.exists():
        deadly.unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    note(path, f"undo {number}")
    print(f"undo {number}")

@flow(log_prints=True)
def made(path: str, dies: bool = False):
    with transaction():
        for number in range(4):
            step(path, number)
        if dies:
            time.sleep(0.1)  # for what was done to be written
            os.kill(os.getpid(), signal.SIGKILL)
        suspend_flow_run()

@flow
def holds(path: str):
    while not Path(path).exists():
        time.sleep(0.01)

if __name__ == "__main__":
    made(sys.argv[1], True)
"""
DONE = [f"do {number}" for number in range(4)]
UNDONE = [f"undo {number}" for number in (3, 2, 1, 0)]


def lines(path: Path) -> list[str]:
    return path.read_text().split("\n")[:-1]


async def test_a_cancelled_run_is_undone_though_each_hook_kills_its_process_and_the_worker_dies(
    store: Store, store_url: str, flows: Path, tmp_path: Path
) -> None:
    told = tmp_path / "told"
    async with served(store_url) as api:
        with service("scheduler", store_url=store_url):
            with worker(store_url, "first"):
                run = await submit(store, f"{flows}:made", path=str(told))
                await until_state(store, run, "Suspended")
            for number in (3, 1, 0):
                (tmp_path / f"told.{number}").touch()
            answer = await api.post(f"/api/v1/runs/{run.id}/cancel")
            assert answer["state"]["name"] == "AwaitingUndo"
            with worker(store_url, "second"):
                ended = await until_state(store, run, "Cancelled")
    assert ended.state.message == "cancelled by hand"
    assert lines(told) == DONE + UNDONE


async def test_a_crashed_run_is_undone_when_nobody_retries_it(
    store: Store, store_url: str, flows: Path, tmp_path: Path
) -> None:
    told = tmp_path / "told"
    with worker(store_url), service("scheduler", store_url=store_url, undo_after=1):
        run = await submit(store, f"{flows}:made", path=str(told), dies=True)
        await until_state(store, run, "Crashed")
        ended = await until_state(store, run, "Cancelled")
    assert ended.state.message == "nobody retried it; it was Crashed"
    assert lines(told) == DONE + UNDONE
    logged = [line["message"] for line in await Runs(store).logs(run.id, "0-0", 100)]
    assert [message for message in logged if message.startswith("undo ")] == UNDONE


async def test_a_crashed_run_is_undone_at_once_when_somebody_says_so(
    store: Store, store_url: str, flows: Path, tmp_path: Path
) -> None:
    told = tmp_path / "told"
    async with served(store_url) as api:
        with worker(store_url):
            run = await submit(store, f"{flows}:made", path=str(told), dies=True)
            await until_state(store, run, "Crashed")
            assert (await api.post(f"/api/v1/runs/{run.id}/undo"))["state"][
                "name"
            ] == "AwaitingUndo"
            await until_state(store, run, "Cancelled")
        assert lines(told) == DONE + UNDONE
        problem = await api.post(f"/api/v1/runs/{run.id}/undo", 409)
        assert problem["type"].endswith("not-undoable")


@pytest.mark.parametrize("strategy", ["CANCEL_NEW", "CANCEL_RUNNING"])
async def test_a_run_that_is_undone_waits_for_its_slot_and_takes_nobodys(
    store: Store, store_url: str, flows: Path, tmp_path: Path, strategy: str
) -> None:
    limit = {"limit": 1, "collision_strategy": strategy}
    doc = {"name": "made/one", "entrypoint": f"{flows}:made", "concurrency_limit": limit}
    checked = Deployment.model_validate(doc).model_dump(mode="json")
    await Catalog(store).put("deployment", "made/one", checked)
    runs, told, over = Runs(store), tmp_path / "told", tmp_path / "over"
    with worker(store_url):
        first = run_of(checked, {"path": str(told)})
        await runs.create(first)
        await until_state(store, first, "Suspended")
        second = run_of({**checked, "entrypoint": f"{flows}:holds"}, {"path": str(over)})
        await runs.create(second)
        await until_state(store, second, "Running")
        await runs.cancel(first.id, "by hand")

        async def waits() -> bool:
            key = store.keys("line", "deployment:made/one")
            return bool(await store.execute("ZCARD", key))

        await until(waits, "it waits")
        over.touch()
        await until_state(store, first, "Cancelled")
    assert (await runs.get(second.id)).state.name == "Completed"
    assert lines(told) == DONE + UNDONE


def test_a_run_by_hand_says_what_is_not_undone_and_a_command_does_it(
    flows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in os.environ if name.startswith("UPSHOT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("UPSHOT_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    told = tmp_path / "told"
    killed = subprocess.run([sys.executable, str(flows), str(told)], timeout=PATIENCE, check=False)
    assert killed.returncode == -signal.SIGKILL

    assert upshot(["run", "ls", "--output", "json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    hint = f"`upshot run undo {found['name']} --code FILE.py:FLOW` does that"
    assert (found["state"]["name"], found["state"]["message"].endswith(hint)) == ("Crashed", True)
    command = [sys.executable, "-m", "upshot.services.cli", "run", "undo", found["name"]]
    subprocess.run([*command, "--code", "made.py:made"], timeout=PATIENCE, check=True)
    assert lines(told) == DONE + UNDONE
    assert upshot(["run", "inspect", found["name"], "--output", "json"]) == 0
    state = json.loads(capsys.readouterr().out)["state"]
    assert (state["name"], state["message"]) == ("Cancelled", "undone by hand; it was Crashed")
    assert upshot(["run", "undo", found["name"], "--code", "made.py:made"]) == FAILED
    assert "has no open transaction" in capsys.readouterr().err
