"""Tasks on a Dask cluster that loses workers, is stopped, or is not there."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

from tests.waiting import eventually
from upshot import DaskTaskRunner, flow, task
from upshot.flows.exceptions import ClusterUnavailable
from upshot.flows.states import State

from .conftest import Processes, Seen, of_one_cluster


@of_one_cluster
def test_a_cluster_runs_again_what_a_killed_worker_ran(seen: Seen, cluster: Any) -> None:
    @task
    def work(x: int) -> tuple[int, int]:
        time.sleep(0.02)
        return x, os.getpid()

    @flow(task_runner=DaskTaskRunner(cluster))
    def f() -> list[int]:
        futures = work.map(range(60))
        _, victim = futures[0].result()
        os.kill(victim, signal.SIGKILL)
        return [x for x, _ in futures.result()]

    assert f() == list(range(60))
    assert {record["state"]["name"] for record in seen.tasks().values()} == {"Completed"}


@of_one_cluster
def test_a_cancelled_run_interrupts_what_it_has_a_cluster_do(
    processes: Processes, tmp_path: Path, cluster: Any
) -> None:
    source = f"""
    import time
    from pathlib import Path
    from upshot import DaskTaskRunner, flow, task

    @task
    def work(here):
        Path(here, "begun").touch()
        try:
            while True:
                time.sleep(0.01)
        finally:
            Path(here, "cleaned").touch()

    @flow(task_runner=DaskTaskRunner(address={cluster.scheduler_address!r}))
    def f():
        work.submit({str(tmp_path)!r}).result()
    """
    run = processes.create(f"{processes.module(source)}:f")
    process = processes.start(processes.take(run.id), lease_ms=4_000)  # Dask takes long to import
    eventually((tmp_path / "begun").exists)
    processes.change(run.id, State("Cancelling"))
    eventually((tmp_path / "cleaned").exists)
    process.end()
    assert processes.seen.run(run.id).state.name == "Cancelled"


def test_tasks_go_on_when_a_lost_cluster_is_there_again(seen: Seen) -> None:
    from distributed import LocalCluster

    options = {"n_workers": 1, "processes": False, "protocol": "tcp://"}
    first = LocalCluster(dashboard_address=None, **options)
    port = int(first.scheduler_address.rpartition(":")[2])

    @task
    def same(x: int) -> int:
        return x

    runner = DaskTaskRunner(address=first.scheduler_address, client_kwargs={"timeout": 0.3})

    @flow(task_runner=runner)
    def f() -> list[object]:
        one = same.submit(1).result()
        first.close()
        lost = same.submit(2).result(raise_on_failure=False)
        with LocalCluster(scheduler_port=port, dashboard_address=None, **options):
            return [one, lost, same.submit(3).result()]

    one, lost, three = f()
    assert (one, three) == (1, 3)
    assert isinstance(lost, ClusterUnavailable)


def test_a_whole_map_is_told_at_once_that_there_is_no_cluster(seen: Seen) -> None:
    @task
    def work(x: int) -> int:
        return x

    @flow(task_runner=DaskTaskRunner(address="tcp://127.0.0.1:1", client_kwargs={"timeout": 0.3}))
    def f() -> list[object]:
        return [each.result(raise_on_failure=False) for each in work.map(range(50))]

    errors = f()
    assert {type(error) for error in errors} == {ClusterUnavailable}
    assert len({id(error) for error in errors}) == 1


def test_a_cluster_can_be_made_for_the_run(seen: Seen) -> None:
    runner = DaskTaskRunner(cluster_kwargs={"n_workers": 1, "dashboard_address": ":0"})

    @task
    def work(x: int) -> int:
        return x + 1

    @flow(task_runner=runner)
    def f() -> int:
        return work.submit(1).result()

    assert f() == 2
