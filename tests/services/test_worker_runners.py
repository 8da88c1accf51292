"""How runs get their processes: reused ones, programs with other packages, commands."""

from __future__ import annotations

import os
import signal
import sys
import zipfile
from pathlib import Path
from typing import Any

from tests.waiting import until
from upshot.automations.files.declarations import Deployment, WorkPool
from upshot.events.store import Store
from upshot.flows.runs.deployed import run_of
from upshot.flows.runs.flowrun import FlowRun
from upshot.flows.runs.registry import Runs
from upshot.services.definitions.catalog import Catalog

from .running import process_stat, until_line, until_state, worker

FLOWS = """
import logging, os, signal, subprocess, sys, time
from contextvars import ContextVar
from logging.config import dictConfig
from pathlib import Path

from upshot import flow, get_run_logger

CUSTOMER = ContextVar("customer", default="nobody")


@flow
def tell(path: str, line: str = "") -> dict:
    seen = {"pid": os.getpid(), "ppid": os.getppid(), "prefix": sys.prefix, "cwd": os.getcwd()}
    seen |= {"env": os.environ.get("GREETING"), "left": os.environ.get("LEFT_BEHIND")}
    os.environ["LEFT_BEHIND"] = "this"
    with open(path, "a") as file:
        file.write(f"{os.getpid()} {line}\\n")
    return seen


@flow
def sully(path: str) -> list:
    umask = os.umask(0o077)
    held = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    timer = signal.setitimer(signal.ITIMER_REAL, 3600)
    before = [os.getpid(), CUSTOMER.get(), umask, list(held), list(timer)]
    before += [signal.getsignal(signal.SIGUSR1), sys.stdout is sys.__stdout__]
    before += [logging.root.manager.disable, len(logging.root.handlers)]
    before += [logging.getLogger("upshot.flow_run").disabled]
    get_run_logger().warning("still heard")
    CUSTOMER.set("Ada")
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    sys.stdout = open(os.devnull, "w")
    dictConfig({"version": 1, "root": {"level": "CRITICAL"}})
    logging.disable(logging.CRITICAL)
    return before


@flow
def borrow(path: str) -> str:
    import lent_by_the_test

    return lent_by_the_test.NAME


@flow
def stay(path: str) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        Path(path).write_text(f"{os.getpid()} {child.pid}\\n")
        time.sleep(600)
    finally:
        Path(path + ".cleaned").write_text("yes")


@flow
def die(path: str) -> None:
    os._exit(3)
"""


class Deployed:
    """A deployment of a flow of this file."""

    def __init__(self, store: Store, folder: Path, pool: dict[str, Any]) -> None:
        self._store = store
        self._file = folder / "made.py"
        self._file.write_text(FLOWS)
        self._pool = WorkPool.model_validate({"name": "default", **pool})
        self.notes = folder / "notes"

    async def define(self) -> None:
        doc = self._pool.model_dump(mode="json")
        await Catalog(self._store).put("work-pool", "default", doc)

    async def start(self, function: str, job: dict[str, Any] | None = None) -> FlowRun:
        entrypoint = f"{self._file}:{function}"
        made = Deployment(name=f"{function}/d", entrypoint=entrypoint, job=job or {})
        run = run_of(made.model_dump(mode="json"), {"path": str(self.notes)})
        await Runs(self._store).create(run)
        return run

    async def run(self, function: str, job: dict[str, Any] | None = None) -> FlowRun:
        run = await self.start(function, job)
        return await until_state(self._store, run, "Completed", "Crashed", "Failed")


async def gone(pid: int) -> None:
    async def there() -> bool:
        return process_stat(pid)[:1] in ([], ["Z"])

    await until(there, f"the end of {pid}")


async def test_a_reused_process_takes_one_run_after_another_and_starts_each_as_the_first(
    store: Store, tmp_path: Path
) -> None:
    deployed = Deployed(store, tmp_path, {"job": {"reuse": True, "env": {"GREETING": "hello"}}})
    await deployed.define()
    with worker(store.url, worker_concurrency=1):
        seen = [(await deployed.run("tell", {"max_reuse": 3})).result for _ in range(4)]
    assert len({each["pid"] for each in seen[:3]}) == 1
    assert seen[3]["pid"] != seen[0]["pid"], "it has had its share"
    assert {each["env"] for each in seen} == {"hello"}
    assert {each["left"] for each in seen} == {None}


async def test_what_a_run_sets_in_its_process_is_set_back_before_the_next_one(
    store: Store, tmp_path: Path
) -> None:
    deployed = Deployed(store, tmp_path, {"job": {"reuse": True}})
    await deployed.define()
    with worker(store.url, worker_concurrency=1):
        runs = [await deployed.run("sully") for _ in range(3)]
    assert [run.result for run in runs[1:]] == [runs[0].result] * 2
    logs = [await store.execute("XLEN", store.keys("logs", run.id)) for run in runs]
    assert logs == [1] * 3


async def test_the_end_of_a_reused_process_crashes_its_run_and_no_other(
    store: Store, tmp_path: Path
) -> None:
    deployed = Deployed(store, tmp_path, {"job": {"reuse": True}})
    await deployed.define()
    with worker(store.url, worker_concurrency=2):
        staying = await deployed.start("stay")
        _, child = map(int, (await until_line(deployed.notes)).split())
        crashed = await deployed.run("die")
        assert crashed.state.message == "its process ended with exit code 3 before the run did"
        assert (await deployed.run("tell")).state.name == "Completed"
        assert (await Runs(store).get(staying.id)).state.name == "Running"
        await Runs(store).cancel(staying.id)
        await until_state(store, staying, "Cancelled")
        await gone(child)
        assert deployed.notes.with_name("notes.cleaned").exists()


async def test_a_run_of_a_reused_process_leaves_no_process_behind(
    store: Store, tmp_path: Path
) -> None:
    deployed = Deployed(store, tmp_path, {"job": {"reuse": True}})
    await deployed.define()
    (tmp_path / "made.py").write_text(
        FLOWS.replace("time.sleep(600)\n    finally", "pass\n    finally")
    )
    with worker(store.url, worker_concurrency=1):
        await deployed.run("stay")
        pid, child = map(int, (await until_line(deployed.notes)).split())
        await gone(child)
        assert process_stat(pid)


async def test_changed_code_is_what_a_reused_process_runs_next(
    store: Store, tmp_path: Path
) -> None:
    deployed = Deployed(store, tmp_path, {"job": {"reuse": True}})
    await deployed.define()
    with worker(store.url, worker_concurrency=1):
        first = (await deployed.run("tell")).result
        file = tmp_path / "made.py"
        file.write_text(FLOWS.replace('"cwd": os.getcwd()', '"cwd": "changed"'))
        os.utime(file, ns=(1, 1))
        second = (await deployed.run("tell")).result
    assert second["cwd"] == "changed"
    assert second["pid"] != first["pid"]


async def test_a_program_of_its_own_has_its_environment_folder_and_command(
    store: Store, tmp_path: Path
) -> None:
    there = tmp_path / "there"
    there.mkdir()
    job = {"cwd": str(there), "env": {"GREETING": "hi"}}
    deployed = Deployed(store, tmp_path, {"type": "subprocess", "job": job})
    await deployed.define()
    script = "import os, sys; os.environ['GREETING'] += '!'; os.execv(sys.argv[1], sys.argv[1:])"
    command = [sys.executable, "-c", script, "{python}", "-m", "upshot.flows"]
    with worker(store.url):
        plain = (await deployed.run("tell")).result
        wrapped = (await deployed.run("tell", {"command": command})).result
    assert (plain["cwd"], plain["env"], wrapped["env"]) == (str(there), "hi", "hi!")


async def test_a_program_or_folder_that_is_not_there_is_named(store: Store, tmp_path: Path) -> None:
    deployed = Deployed(store, tmp_path, {"type": "subprocess"})
    await deployed.define()
    wrong: list[tuple[str, Any]] = [
        ("command", ["/no/such/program"]), ("command", ["no-such-program", "x"]),
        ("python", "/no/python"), ("venv", "/no/venv"), ("cwd", "/no/folder"),
    ]  # fmt: skip
    with worker(store.url):
        for field, value in wrong:
            ended = await deployed.run("tell", {field: value})
            assert ended.state.name == "Crashed"
            assert ended.state.message.startswith(f"{field}: there is no ")


async def test_a_program_is_cancelled_with_all_that_it_started_and_may_clean_up(
    store: Store, tmp_path: Path
) -> None:
    deployed = Deployed(store, tmp_path, {"type": "subprocess"})
    await deployed.define()
    with worker(store.url):
        run = await deployed.start("stay")
        pid, child = map(int, (await until_line(deployed.notes)).split())
        await Runs(store).cancel(run.id)
        await until_state(store, run, "Cancelled")
        assert deployed.notes.with_name("notes.cleaned").exists()
        await gone(pid)
        await gone(child)
        killed = await deployed.start("stay")
        deployed.notes.unlink()
        pid, child = map(int, (await until_line(deployed.notes)).split())
        os.kill(pid, signal.SIGKILL)
        await until_state(store, killed, "Crashed")
        await gone(child)


async def test_requirements_are_installed_into_an_environment_that_is_made_once(
    store: Store, tmp_path: Path
) -> None:
    job = {"requirements": [str(wheel(tmp_path))]}
    deployed = Deployed(store, tmp_path, {"type": "subprocess", "job": job})
    await deployed.define()
    with worker(store.url, data_dir=tmp_path / "data"):
        assert (await deployed.run("borrow")).result == "lent"
        made = list((tmp_path / "data" / "environments").glob("*/made"))
        before = made[0].stat().st_mtime_ns
        told = (await deployed.run("tell")).result
        assert made[0].stat().st_mtime_ns == before
        wrong = await deployed.run("tell", {"requirements": [str(tmp_path / "no.whl")]})
    assert Path(told["prefix"]) == made[0].parent
    assert wrong.state.name == "Crashed"
    assert wrong.state.message.startswith("requirements: can't be installed: ")


def wheel(folder: Path) -> Path:
    """Make a package that can be installed without an index."""
    file, info = folder / "lent_by_the_test-1.0-py3-none-any.whl", "lent_by_the_test-1.0.dist-info"
    head = "Metadata-Version: 2.1\nName: lent-by-the-test\nVersion: 1.0\n"
    kind = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("lent_by_the_test.py", "NAME = 'lent'\n")
        archive.writestr(f"{info}/METADATA", head)
        archive.writestr(f"{info}/WHEEL", kind)
        archive.writestr(f"{info}/RECORD", "")
    return file


async def test_a_job_that_does_not_fit_its_pool_crashes_the_run_and_names_the_field(
    store: Store, tmp_path: Path
) -> None:
    deployed = Deployed(store, tmp_path, {})
    await deployed.define()
    with worker(store.url):
        run = await deployed.run("tell", {"image": "python:3.12"})
    assert run.state.name == "Crashed"
    assert run.state.message.startswith("job of a process pool: image: ")


async def test_a_pool_lets_no_more_runs_begin_than_its_definition_says(
    store: Store, tmp_path: Path
) -> None:
    deployed = Deployed(store, tmp_path, {"concurrency_limit": 1})
    await deployed.define()
    with worker(store.url, worker_concurrency=4):
        first = await deployed.start("stay")
        await until_line(deployed.notes)
        second = await deployed.start("tell")
        await until(lambda: _is_told_to_wait(store, second), "it is told to wait")
        assert (await Runs(store).get(second.id)).state.name == "Scheduled"
        await Runs(store).cancel(first.id)
        await until_state(store, second, "Completed")


async def _is_told_to_wait(store: Store, run: FlowRun) -> bool:
    told = store.keys("told", "default/default")
    return bool(await store.execute("SISMEMBER", told, run.id))
