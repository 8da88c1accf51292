"""Messages between runs: each is taken once and in order, also by runs that have no process."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest

from upshot.events.event import Event
from upshot.events.log import Log
from upshot.events.store import Store
from upshot.flows.runs.flowrun import FlowRun
from upshot.flows.runs.registry import Runs

from .running import scheduler, submit, until_state, worker

PAGE = (Path(__file__).parents[2] / "docs" / "flows" / "waiting.md").read_text()
FLOWS = """
import asyncio
from datetime import date

from upshot import RunInput, flow, receive_input, runtime, send_input, task


class Order(RunInput):
    what: str
    day: date


class Bill(RunInput):
    cents: int


@flow
def three(stay: float) -> list:
    numbers = receive_input(int, stay=stay, timeout=60)
    return [next(numbers) for _ in range(3)]


@flow
def sends(to: str) -> None:
    send_input(4, to)
    tell(to)
    raise_once()
    send_input(6, to)


@task
def tell(to: str) -> None:
    send_input("not a number", to)
    send_input(5, to)


tries = []


@task(retries=1)
def raise_once() -> None:
    tries.append(1)
    if len(tries) == 1:
        raise ValueError("again")


@flow
async def shop() -> list:
    sold = []
    async for order in Order.receive(timeout=60):
        sold.append(f"{order.what} on {order.day:%A}")
        await order.respond(Bill(cents=100 * len(sold)))
        if len(sold) == 2:
            break
    return sold


@flow
async def customer(at: str) -> int:
    paid = 0
    for what in ("tea", "pot"):
        await Order(what=what, day="2026-11-20").send_to(at)
        async for bill in Bill.receive(timeout=60):
            paid += bill.cents
            break
    return paid


@flow
def nobody() -> list:
    return list(receive_input(str, timeout=0.2))


@flow
def loud() -> str:
    try:
        next(receive_input(str, timeout=0.2, raise_timeout_error=True))
    except TimeoutError as error:
        return type(error).__name__


@flow
async def together(stay: float) -> list:
    numbers = receive_input(int, stay=stay, timeout=60)
    got = await asyncio.gather(*(numbers.anext() for _ in range(4)))
    return [*got, await numbers.anext()]


@flow
async def impatient() -> list:
    numbers, seen = receive_input(int, timeout=60), []
    for number in range(3):
        try:
            await asyncio.wait_for(numbers.anext(), 0.2)
        except TimeoutError:
            await send_input(number, runtime.flow_run.id)
            await asyncio.sleep(0.4)
        seen.append(await numbers.anext())
    return seen


@flow
def exact(kind: str) -> int:
    return receive_input(int, timeout=60, key_prefix=kind).next()


@flow
def picky() -> list:
    numbers = receive_input(int, key_prefix="any", with_metadata=True)
    try:
        numbers.next()
    except Exception as error:
        refused = str(error)
    second = numbers.next()
    return [refused, second.value, second.metadata.sender]
"""


async def emit(store: Store, run: FlowRun, key: str, **payload: object) -> None:
    resource = {"id": f"flow-run.{run.id}", "input": key}
    await Log(store).append([Event(event="run-input.sent", resource=resource, payload=payload)])


async def test_the_programs_of_the_page_send_and_receive(served: Store, tmp_path: Path) -> None:
    (program,) = re.findall(
        r"^```py\n(# shop_and_customer.*?)^```$", PAGE, re.DOTALL | re.MULTILINE
    )
    file = tmp_path / "shop_and_customer.py"
    file.write_text(program)
    shop = await submit(served, f"{file}:shop", stock=1)
    customer = await submit(served, f"{file}:customer", shop_run_id=shop.id)
    assert (await until_state(served, customer, "Completed", "Failed")).result == 1
    assert (await until_state(served, shop, "Completed", "Failed")).result == ["tea"]


@pytest.mark.parametrize("stay", [0.0, 60.0])
async def test_a_run_gets_what_another_one_sends_each_once_and_in_order(
    served: Store, flows: Path, stay: float
) -> None:
    receiving = await submit(served, f"{flows}:three", stay=stay)
    await until_state(served, receiving, "Suspended", "Paused")
    sending = await submit(served, f"{flows}:sends", to=receiving.id)
    await until_state(served, sending, "Completed")
    done = await until_state(served, receiving, "Completed", "Failed")
    assert (done.result, done.attempt) == ([4, 5, 6], 1)


async def test_runs_answer_each_other_in_coroutines(served: Store, flows: Path) -> None:
    shop = await submit(served, f"{flows}:shop")
    customer = await submit(served, f"{flows}:customer", at=shop.id)
    assert (await until_state(served, customer, "Completed", "Failed")).result == 300
    sold = (await until_state(served, shop, "Completed", "Failed")).result
    assert sold == ["tea on Friday", "pot on Friday"]


async def test_what_was_sent_before_a_run_began_is_received(served: Store, flows: Path) -> None:
    run = await submit(served, "/nowhere/made.py:three", stay=0.0)
    for number in (1, 2, 3):
        await emit(served, run, "int", value=number)
    await until_state(served, run, "Failed")
    again = await submit(served, f"{flows}:three", stay=0.0)
    for number in (1, 2, 3):
        await emit(served, again, "int", value=number)
    assert (await until_state(served, again, "Completed", "Failed")).result == [1, 2, 3]


@pytest.mark.parametrize("stay", [0.0, 60.0])
async def test_coroutines_that_receive_at_the_same_time_get_one_message_each(
    served: Store, flows: Path, stay: float
) -> None:
    run = await submit(served, f"{flows}:together", stay=stay)
    await until_state(served, run, "Suspended", "Paused")
    for number in range(5):
        await emit(served, run, "int", value=number)
    assert (await until_state(served, run, "Completed", "Failed")).result == [0, 1, 2, 3, 4]


async def test_a_message_that_comes_when_nobody_waits_any_more_is_had_by_the_next_one(
    served: Store, flows: Path
) -> None:
    run = await submit(served, f"{flows}:impatient")
    assert (await until_state(served, run, "Completed", "Failed")).result == [0, 1, 2]


async def test_a_loop_ends_when_nothing_comes_in_time(served: Store, flows: Path) -> None:
    quiet, loud = [await submit(served, f"{flows}:{name}") for name in ("nobody", "loud")]
    assert (await until_state(served, quiet, "Completed", "Failed")).result == []
    assert (await until_state(served, loud, "Completed", "Failed")).result == "EventTimeout"


async def test_what_is_not_of_the_type_is_refused_and_the_next_one_is_had(
    served: Store, flows: Path
) -> None:
    run = await submit(served, f"{flows}:picky")
    await emit(served, run, "any", value="x")
    await emit(served, run, "any", value=7, sender="me")
    done = await until_state(served, run, "Completed", "Failed")
    refused, value, sender = done.result
    assert (refused, value, sender) == ("input: a whole number is expected", 7, "me")


@pytest.mark.parametrize("kind", ["*", "!other", "so*", 'a "quoted" \\ \u00e9\n!'])
async def test_a_kind_is_a_text_and_no_pattern(served: Store, flows: Path, kind: str) -> None:
    run = await submit(served, f"{flows}:exact", kind=kind)
    await emit(served, run, "some", value=1)
    await emit(served, run, kind, value=2)
    assert (await until_state(served, run, "Completed", "Failed")).result == 2


async def test_messages_survive_the_death_of_whoever_waits_for_them(
    store: Store, flows: Path
) -> None:
    with worker(store.url) as first, scheduler(store.url):
        run = await submit(store, f"{flows}:three", stay=60.0)
        await emit(store, run, "int", value=1)
        await until_state(store, run, "Suspended", "Paused")
        first.send_signal(signal.SIGKILL)
        first.wait()
        for number in (2, 3):
            await emit(store, run, "int", value=number)
        # It depends on whether the store has noticed the death before the next message came.
        left = await until_state(store, run, "Crashed", "Scheduled")
        if left.state.name == "Crashed":
            await Runs(store).retry(run.id)
        with worker(store.url, "second"):
            done = await until_state(store, run, "Completed", "Failed")
    assert done.result == [1, 2, 3]
