"""Flows that wait for people, in a process of their own: what they ask, get, and refuse."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from datetime import date
from typing import Any, Literal

import pytest
from pydantic import BaseModel, field_validator

from tests.waiting import eventually
from upshot import (
    RunInput,
    aresume_flow_run,
    flow,
    pause_flow_run,
    resume_flow_run,
    suspend_flow_run,
    task,
    wait_for_event,
)
from upshot.events.exceptions import NotFound
from upshot.flows.context import here
from upshot.flows.exceptions import (
    FlowPauseTimeout,
    InvalidInput,
    InvalidWait,
    NotResumable,
    OutsideRun,
    WrongArgument,
)
from upshot.flows.runs.transitions import transition_arguments
from upshot.flows.states import State

from .conftest import Seen


class Approval(BaseModel):
    ok: bool
    day: date = date(2026, 1, 1)

    @field_validator("ok")
    @classmethod
    def _yes(cls, ok: bool) -> bool:
        if not ok:
            raise ValueError("no is no answer")
        return ok


def meanwhile(act: Callable[[], Any]) -> threading.Thread:
    thread = threading.Thread(target=act)
    thread.start()
    return thread


def paused(seen: Seen) -> str:
    """Wait until the only run is paused; return its id."""
    eventually(lambda: seen.runs() and seen.only_run().state.type == "Paused")
    return seen.only_run().id


@pytest.mark.parametrize("wait", [pause_flow_run, suspend_flow_run])
def test_a_flow_gets_the_input_that_it_asks_for_as_its_type(
    seen: Seen, wait: Callable[..., Any]
) -> None:
    @flow
    def asking() -> Any:
        return wait(Approval).day

    helper = meanwhile(lambda: resume_flow_run(paused(seen), {"ok": True, "day": "2026-03-04"}))
    assert asking() == date(2026, 3, 4)
    helper.join()
    run = seen.only_run()
    assert (run.state.name, run.attempt) == ("Completed", 1)
    assert [event["resource"]["state"] for event in seen.events("flow-run.")] == [
        "Pending", "Running", "Paused", "Running", "Completed"
    ]  # fmt: skip


@pytest.mark.parametrize("wanted", [int, list[str], Literal["a", "b"]])
def test_any_type_may_be_asked_for(seen: Seen, wanted: Any) -> None:
    value = {int: 3, list[str]: ["x"]}.get(wanted, "a")

    @flow
    def asking() -> Any:
        return pause_flow_run(wanted, description="which?")

    def answer() -> None:
        run_id = paused(seen)
        pause = seen.run(run_id).pause
        assert pause is not None
        assert (pause.key, pause.description) == ("pause-1", "which?")
        with pytest.raises(InvalidInput, match="input"):
            resume_flow_run(run_id, {"not": "this"})
        resume_flow_run(run_id, value)

    helper = meanwhile(answer)
    assert asking() == value
    helper.join()


def test_an_input_that_only_the_model_refuses_is_asked_for_again(seen: Seen) -> None:
    @flow
    def asking() -> bool:
        approval: Approval = pause_flow_run(Approval)
        return approval.ok

    def answer() -> None:
        run_id = paused(seen)
        resume_flow_run(run_id, {"ok": False})
        eventually(lambda: "refused" in seen.run(run_id).state.message)
        assert "no is no answer" in seen.run(run_id).state.message
        resume_flow_run(run_id, {"ok": True})

    helper = meanwhile(answer)
    assert asking() is True
    helper.join()


def test_a_form_may_have_values_and_a_description_already(seen: Seen) -> None:
    class Form(RunInput):
        name: str
        times: int

    @flow
    def asking() -> Any:
        return pause_flow_run(Form.with_initial_data(description="Who?", name="Ada"))

    def answer() -> None:
        run_id = paused(seen)
        pause = seen.run(run_id).pause
        assert pause is not None
        assert pause.schema is not None
        assert pause.description == "Who?"
        assert pause.schema["properties"]["name"]["default"] == "Ada"
        resume_flow_run(run_id, {"times": 2})

    helper = meanwhile(answer)
    form = asking()
    helper.join()
    assert (form.name, form.times) == ("Ada", 2)


def test_a_pause_that_nobody_ends_raises_in_the_flow(seen: Seen) -> None:
    @flow
    def asking() -> str:
        try:
            pause_flow_run(timeout=0.1)
        except FlowPauseTimeout as error:
            return str(error)
        return ""

    assert asking() == "nobody resumed the flow run within 0.1 seconds"
    assert seen.only_run().pause is None


def test_coroutines_wait_without_holding_their_loop(seen: Seen) -> None:
    @flow
    async def asking() -> tuple[Any, str]:
        async def answer() -> str:
            await asyncio.to_thread(paused, seen)
            await aresume_flow_run(seen.only_run().id, 5)
            return "answered"

        number, answered = await asyncio.gather(pause_flow_run(int), answer())
        return number, answered

    assert asyncio.run(asking()) == (5, "answered")


def test_a_run_that_no_worker_could_start_again_waits_in_its_process(seen: Seen) -> None:
    begun: list[int] = []

    @task
    def step(number: int) -> int:
        begun.append(number)
        return number

    def pause_it() -> None:
        eventually(lambda: seen.runs() and seen.only_run().state.type == "Running")
        change = State("Paused", "wait")
        run = seen.only_run()
        arguments = transition_arguments(run, change, own=False, lease_ms=15_000)
        seen.store.call("transition", *arguments)

    @flow
    def stepping() -> int:
        pause_it()
        eventually(lambda: here().context.held.halted)  # type: ignore[union-attr]
        helper = meanwhile(resume)
        futures = step.map(range(3))
        total = sum(futures.result())
        helper.join()
        return total

    def resume() -> None:
        assert seen.only_run().state.type == "Paused"
        assert begun == []
        resume_flow_run(seen.only_run().id)

    assert stepping() == 3
    assert sorted(begun) == [0, 1, 2]


def test_what_can_not_wait_says_why(seen: Seen) -> None:
    with pytest.raises(OutsideRun, match="inside of a flow only"):
        pause_flow_run()
    with pytest.raises(NotFound):
        resume_flow_run("unknown")

    @task
    def step() -> None:
        pause_flow_run()

    @flow
    def wrong() -> None:
        with pytest.raises(OutsideRun, match="not in a task's"):
            step()
        with pytest.raises(WrongArgument, match="key"):
            pause_flow_run(key="")
        with pytest.raises(InvalidWait, match="expect"):
            wait_for_event()
        with pytest.raises(ValueError, match="timeout"):
            pause_flow_run(timeout=-1)

    wrong()
    with pytest.raises(NotResumable, match="is Completed"):
        resume_flow_run(seen.runs()[0].id)
