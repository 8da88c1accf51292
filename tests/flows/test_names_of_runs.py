"""Names and tags of runs that workers execute: their code says them, or who asks for one."""

from __future__ import annotations

from .conftest import Processes

NAMED = """
from datetime import date
from upshot import flow, runtime

@flow(flow_run_name="{day:%A}-{n}", tags=["night"])
def f(day: date, n: int = 1):
    if n == 2:
        raise ValueError
    return [runtime.flow_run.name, runtime.flow_run.tags]

def made():
    asks = runtime.flow_run
    return f"{asks.flow_name} of {asks.parameters['n']}, {asks.run_count}"

@flow(flow_run_name=made)
async def g(n: int):
    return runtime.flow_run.name

@flow(flow_run_name="{m}")
def wrong(n: int = 1): ...
"""


def test_a_run_gets_the_name_and_the_tags_that_its_code_says(processes: Processes) -> None:
    path = processes.module(NAMED)
    given = {"parameters": {"day": "2026-11-20"}, "tags": ("asked",)}
    run, _ = processes.execute(f"{path}:f", **given)
    assert run.result == [run.name, list(run.tags)] == ["Friday-1", ["asked", "night"]]
    ended = [each for each in processes.seen.events() if each["event"] == "flow-run.completed"][-1]
    assert ended["resource"]["name"] == "Friday-1"
    assert "tag.night" in [each["id"] for each in ended["related"]]
    assert listing_of(processes, "Friday-1") == [run.id]
    coroutine, _ = processes.execute(f"{path}:g", parameters={"n": 5})
    assert coroutine.result == coroutine.name == "g of 5, 1"


def test_a_name_that_somebody_gave_stays_and_one_that_does_not_work_fails_the_run(
    processes: Processes,
) -> None:
    path = processes.module(NAMED)
    given, _ = processes.execute(f"{path}:f", parameters={"day": "2026-11-20"}, name="mine")
    assert given.name == "mine"
    wrong, _ = processes.execute(f"{path}:wrong")
    assert wrong.state.message.startswith("InvalidParameters: flow_run_name: '{m}' does not work")
    unfit, _ = processes.execute(f"{path}:f", parameters={"day": "soon"})
    assert unfit.state.message.startswith("InvalidParameters: day: ")


def test_a_retried_run_keeps_its_name(processes: Processes) -> None:
    run, _ = processes.execute(
        f"{processes.module(NAMED)}:f", parameters={"day": "2026-11-20", "n": 2}
    )
    assert (run.name, run.state.name) == ("Friday-2", "Failed")
    assert processes.retry(run.id).name == "Friday-2"
    assert listing_of(processes, "Friday-2") == [run.id]


def listing_of(processes: Processes, name: str) -> list[str]:
    """Return the runs that are listed under a name."""
    store = processes.seen.store
    places = store.execute("ZRANGE", store.keys("names"), 0, -1)
    return [each.split(b"\xff")[2].decode() for each in places if each.startswith(name.encode())]
