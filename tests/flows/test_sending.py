"""Messages to runs, as far as whoever sends them is concerned."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from upshot import RunInput, flow, receive_input, runtime, send_input, task
from upshot.events.exceptions import NotFound
from upshot.flows.exceptions import InvalidInput, InvalidWait, OutsideRun
from upshot.flows.runs.flowrun import FlowRun

from .conftest import Processes, Seen


class Order(RunInput):
    what: str


@pytest.fixture
def receiver(processes: Processes) -> FlowRun:
    return processes.create("nowhere.py:f")


def sent(seen: Seen) -> list[dict[str, Any]]:
    return seen.events("run-input.sent")


def test_a_message_names_the_run_the_kind_and_who_sent_it(seen: Seen, receiver: FlowRun) -> None:
    @flow
    def f() -> str | None:
        Order(what="tea").send_to(receiver.id)
        return runtime.flow_run.id

    run_id = f()
    (event,) = sent(seen)
    labels = {"id": f"flow-run.{receiver.id}", "name": receiver.name, "input": "Order"}
    assert event["resource"] == labels
    assert event["payload"] == {"value": {"what": "tea"}, "sender": f"flow-run.{run_id}"}


def test_a_program_sends_messages_of_any_type_and_kind(seen: Seen, receiver: FlowRun) -> None:
    send_input([1, 2], receiver.id)
    send_input({"a": 1}, receiver.id, sender="me", key_prefix="mine")
    assert [event["resource"]["input"] for event in sent(seen)] == ["list", "mine"]
    assert [event["payload"]["sender"] for event in sent(seen)] == [None, "me"]


def test_code_that_runs_again_sends_nothing_twice(seen: Seen, receiver: FlowRun) -> None:
    tries: list[str] = []

    @task(retries=1)
    def tell() -> None:
        send_input("from a task", receiver.id)
        fail_once("task")

    def fail_once(who: str) -> None:
        tries.append(who)
        if tries.count(who) == 1:
            raise ValueError(who)

    @flow(retries=1)
    def f() -> None:
        for number in (1, 2):
            send_input(number, receiver.id)
        tell()
        fail_once("flow")

    f()
    assert tries == ["task", "task", "flow", "flow"]
    assert [event["payload"]["value"] for event in sent(seen)] == [1, 2, "from a task"]


async def test_in_coroutines_sending_is_awaited(seen: Seen, receiver: FlowRun) -> None:
    await send_input(1, receiver.id)
    await Order(what="tea").send_to(receiver.id)
    assert len(sent(seen)) == 2


def test_a_message_to_nobody_or_of_nothing_is_refused(seen: Seen, receiver: FlowRun) -> None:
    with pytest.raises(NotFound, match="no run has the id 'x'"):
        send_input(1, "x")
    with pytest.raises(InvalidInput, match="run_input: "):
        send_input(object(), receiver.id)
    with pytest.raises(InvalidInput, match="sender: "):
        Order(what="tea").respond(1)
    assert not sent(seen)


def test_only_the_code_of_a_flow_receives(seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    @task
    def t() -> Any:
        return receive_input(int).next()

    @flow
    def f() -> Any:
        return t()

    with pytest.raises(OutsideRun, match="receive_input"):
        receive_input(int).next()
    with pytest.raises(OutsideRun, match="not in a task's"):
        f()

    @flow
    async def g() -> Any:
        return receive_input(int).next()

    assert "use `async for`" in asyncio.run(g(return_state=True)).message


def test_where_nobody_reads_the_log_receiving_is_an_error_that_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.delenv("UPSHOT_REDIS_URL", raising=False)
    monkeypatch.setenv("UPSHOT_DATA_DIR", str(tmp_path))

    @flow
    def f() -> Any:
        return receive_input(int).next()

    with pytest.raises(InvalidWait, match="upshot up"):
        f()
