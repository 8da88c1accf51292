"""Runs in the containers of a real engine, from the queue to the end of the container."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.peers.engine import Engine, engine, job
from tests.services.api_served import served
from tests.services.running import scheduler, until_line, until_state, worker
from tests.waiting import until
from upshot.automations.files.declarations import Deployment, WorkPool
from upshot.events.store import Store
from upshot.flows.runs.deployed import run_of
from upshot.flows.runs.flowrun import FlowRun
from upshot.flows.runs.registry import Runs
from upshot.services.definitions.catalog import Catalog

pytestmark = pytest.mark.peers

FLOWS = """
import os, signal, time
from pathlib import Path

from upshot import flow, get_run_logger, task


@task
def step(number: int) -> int:
    get_run_logger().info("step %d", number)
    return number + 1


@flow(log_prints=True)
def steps(path: str) -> dict:
    print("in a container")
    return {"steps": step.map([1, 2]).result(), "first": Path("/proc/1/cmdline").read_text()}


@flow
def waits(path: str) -> str:
    Path(path).write_text(f"{os.getpid()}\\n")
    while not Path(path + ".enough").exists():
        time.sleep(0.02)
    return "done"


@flow
def leaves(path: str) -> None:
    os._exit(7)


@flow
def eats(path: str) -> int:
    return len(b"x" * 500_000_000)


@flow
def is_killed(path: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@flow(timeout_seconds=0.1)
def does_not_yield(path: str) -> None:
    sum(range(10**12))  # one call into C, which looks for no signal
"""


@pytest.fixture(scope="module")
def running_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with engine(tmp_path_factory.mktemp("engine")) as started:
        yield started


@pytest.fixture
def boxes(running_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """Give the engine, which workers started meanwhile use; no container is left in it."""
    monkeypatch.setenv("DOCKER_HOST", running_engine.url)
    yield running_engine
    running_engine.clear()


class Deployed:
    """Deployments of the flows above, in a pool of type docker.

    Attributes:
        notes: file that they write to.
    """

    def __init__(self, store: Store, folder: Path) -> None:
        self.store = store
        self.notes = folder / "notes"
        self._file = folder / "made.py"
        self._file.write_text(FLOWS)
        self.job = job(folder)

    async def define(self) -> None:
        pool = WorkPool.model_validate({"name": "default", "type": "docker", "job": self.job})
        await Catalog(self.store).put("work-pool", "default", pool.model_dump(mode="json"))

    async def start(self, function: str, source: Any = None, **job: Any) -> FlowRun:
        """Start a run of a flow above, or of ``path.py:function`` in a source."""
        entrypoint = function if source else f"{self._file}:{function}"
        name = f"{function.rpartition(':')[2]}/d"
        made = Deployment(name=name, entrypoint=entrypoint, source=source, job=job)
        run = run_of(made.model_dump(mode="json"), {"path": str(self.notes)})
        await Runs(self.store).create(run)
        return run

    async def run(self, function: str, source: Any = None, **job: Any) -> FlowRun:
        run = await self.start(function, source, **job)
        return await until_state(self.store, run, "Completed", "Crashed", "Failed", "TimedOut")


@pytest.fixture
async def deployed(store: Store, tmp_path: Path) -> Deployed:
    made = Deployed(store, tmp_path)
    await made.define()
    return made


def repository(folder: Path) -> Path:
    """Make a git repository with a flow that tells where it lies."""
    folder.mkdir()
    flow = "from upshot import flow\n\n\n@flow\ndef told(path):\n    return __file__\n"
    (folder / "told.py").write_text(flow)
    git = ("git", "-c", "user.name=a", "-c", "user.email=a@example.org")
    for command in (("init", "-q"), ("add", "."), ("commit", "-qm", "first")):
        subprocess.run([*git, *command], cwd=folder, check=True)
    return folder


async def until_no_container(boxes: Engine) -> None:
    async def none() -> bool:
        return not await asyncio.to_thread(boxes.states)

    await until(none, "its container is removed")


async def until_over(boxes: Engine) -> None:
    async def over() -> bool:
        return "running" not in (await asyncio.to_thread(boxes.states)).values()

    await until(over, "its container has ended")


async def test_a_run_completes_in_a_container_and_its_logs_arrive(
    boxes: Engine, deployed: Deployed
) -> None:
    with worker(deployed.store.url):
        run = await deployed.run("steps")
        await until_no_container(boxes)
    assert run.state.name == "Completed", run.state.message
    assert run.result["steps"] == [2, 3]
    assert "init" in run.result["first"], "what a flow leaves behind is somebody's to end"
    async with served(deployed.store.url) as api:
        lines = (await api.get(f"/api/v1/runs/{run.id}/logs"))["items"]
    assert {"in a container", "step 1", "step 2"} <= {line["message"] for line in lines}


async def test_a_cancelled_run_stops_its_container(boxes: Engine, deployed: Deployed) -> None:
    with worker(deployed.store.url, lease=600):
        run = await deployed.start("waits")
        await until_line(deployed.notes)
        await Runs(deployed.store).cancel(run.id)
        await until_state(deployed.store, run, "Cancelled")
        await until_no_container(boxes)


async def left_by_a_killed_worker(deployed: Deployed) -> FlowRun:
    """Return a run whose container is under way, and whose worker was killed."""
    with worker(deployed.store.url) as process:
        run = await deployed.start("waits")
        await until_line(deployed.notes)
        process.kill()
        process.wait()
    return run


async def test_a_killed_worker_leaves_its_run_to_the_container_that_goes_on(
    boxes: Engine, deployed: Deployed
) -> None:
    run = await left_by_a_killed_worker(deployed)
    (state,) = boxes.states().values()
    assert state == "running"
    deployed.notes.with_name("notes.enough").touch()
    ended = await until_state(deployed.store, run, "Completed", "Crashed")
    assert (ended.state.name, ended.attempt, ended.result) == ("Completed", 1, "done")
    await until_over(boxes)


async def test_a_run_whose_worker_was_killed_is_cancelled_by_itself(
    boxes: Engine, deployed: Deployed
) -> None:
    run = await left_by_a_killed_worker(deployed)
    await Runs(deployed.store).cancel(run.id)
    await until_state(deployed.store, run, "Cancelled")
    await until_over(boxes)


async def test_a_worker_that_leaves_waits_for_no_container(
    boxes: Engine, deployed: Deployed
) -> None:
    with worker(deployed.store.url, lease=600) as process:
        run = await deployed.start("waits")
        await until_line(deployed.notes)
        process.terminate()
        assert await asyncio.to_thread(process.wait, 30) == 0
    assert (await Runs(deployed.store).get(run.id)).state.name == "Running"
    deployed.notes.with_name("notes.enough").touch()
    await until_state(deployed.store, run, "Completed")
    await until_over(boxes)


async def test_a_container_fetches_the_code_itself(
    boxes: Engine, deployed: Deployed, tmp_path: Path
) -> None:
    code = await asyncio.to_thread(repository, tmp_path / "code")
    with worker(deployed.store.url, lease=600, data_dir=tmp_path / "data"):
        run = await deployed.run("told.py:told", {"git": str(code)})
    assert run.state.name == "Completed", run.state.message
    assert str(run.result).startswith(str(tmp_path / "data" / "code"))


async def test_a_container_that_ends_before_its_run_is_explained(
    boxes: Engine, deployed: Deployed
) -> None:
    with worker(deployed.store.url, lease=600):
        left, killed, eaten = await asyncio.gather(
            deployed.run("leaves"), deployed.run("is_killed"), deployed.run("eats", memory="200m")
        )
        await until_no_container(boxes)
    assert left.state.message.startswith("its process ended with exit code 7 before the run did")
    by_signal = "its process was killed by signal 9 (SIGKILL)"
    assert killed.state.message == by_signal
    assert eaten.state.message in {  # not every engine tells
        "its container ran out of memory",
        f"{by_signal}; it may have needed more than 209,715,200 bytes",
    }


async def test_a_container_whose_code_outlasts_its_timeout_timed_out(
    boxes: Engine, deployed: Deployed
) -> None:
    with worker(deployed.store.url, lease=600):
        run = await deployed.run("does_not_yield")
    assert run.state.name == "TimedOut", run.state.message


async def test_what_no_container_can_be_made_of_crashes_the_run_and_says_why(
    boxes: Engine, deployed: Deployed
) -> None:
    with worker(deployed.store.url, lease=600):
        wrong: dict[str, dict[str, Any]] = {
            "no such image": {"image": "localhost/none:1"},
            "No such file or directory": {"command": ["/no/such/program"]},
            "nobody-here": {"user": "nobody-here"},
        }
        for told, job in wrong.items():
            run = await deployed.run("steps", **job)
            assert run.state.name == "Crashed"
            assert told in run.state.message
        await until_no_container(boxes)


async def test_an_image_that_can_not_be_fetched_now_is_tried_again(
    boxes: Engine, deployed: Deployed
) -> None:
    with worker(deployed.store.url, lease=600), scheduler(deployed.store.url):
        run = await deployed.start("steps", image="registry.invalid/none:1", pull="missing")

        async def told() -> FlowRun | None:
            now = await Runs(deployed.store).get(run.id)
            return now if "could not start it: Docker failed" in now.state.message else None

        first: FlowRun = await until(told, "it says why it waits")
        assert "registry.invalid/none:1 can't be pulled" in first.state.message
        await until_state(deployed.store, first, "Pending")
