"""A user's program: what type checkers understand of it, mypy --strict and pyright alike.

Each ``assert_type`` is checked by both; an ignored line is one that both have to refuse.
"""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import assert_type

from upshot import (
    Asset,
    Event,
    Flow,
    MaterializingTask,
    RunFuture,
    State,
    Task,
    TaskFuture,
    TaskFutureList,
    as_completed,
    emit_event,
    flow,
    get_run_logger,
    materialize,
    run_deployment,
    tags,
    task,
    transaction,
    unmapped,
    wait,
)


@task
def length(text: str, extra: int = 0) -> int:
    return len(text) + extra


@task(retries=2, retry_delay_seconds=0.1, tags=["net"])
async def fetched(url: str) -> bytes:
    return url.encode()


@task
def counted(upto: int) -> Iterator[int]:
    yield from range(upto)


@materialize("file:///tmp/report.csv")
def report(rows: list[int]) -> dict[str, int]:
    return {"rows": len(rows)}


@flow
def small(day: str) -> list[int]:
    return [length(day)]


@flow(name="nightly", retries=1, timeout_seconds=60, log_prints=True)
async def nightly(urls: list[str]) -> dict[str, bytes]:
    return {url: await fetched(url) for url in urls}


def what_the_decorators_make() -> None:
    assert_type(length, Task[[str, int], int])  # type: ignore[assert-type]
    plain: Callable[[str, int], int] = length.fn
    made: Task[[str], list[int]] = task(name="x")(lambda text: [len(text)])
    assert_type(made("a"), list[int])
    assert_type(plain("a", 1), int)
    assert_type(small.name, str)
    whole: Flow[[str], list[int]] = small
    assert_type(whole("monday"), list[int])


def calls() -> None:
    assert_type(length("a"), int)
    assert_type(length("a", extra=2), int)
    assert_type(length("a", return_state=True), State)
    assert_type(length("a", wait_for=[]), int)
    assert_type(small("monday"), list[int])
    assert_type(small("monday", return_state=True), State)
    assert_type(counted(3), Iterator[int])
    length(1)  # type: ignore[call-overload]
    length()  # type: ignore[call-overload]
    small("monday", day="x")  # type: ignore[call-overload]


async def calls_of_coroutines() -> None:
    assert_type(await fetched("x"), bytes)
    assert_type(await fetched("x", return_state=True), State)
    assert_type(await nightly(["x"]), dict[str, bytes])


def futures() -> None:
    future = length.submit("a")
    assert_type(future, TaskFuture[int])
    assert_type(future.result(), int)
    assert_type(future.state, State)
    assert_type(length.submit("a", return_state=True), State)
    assert_type(length.submit(length.submit("a"), wait_for=[future]).result(timeout=1), int)
    assert_type(fetched.submit("x").result(), bytes)
    for done in as_completed([future]):
        assert_type(done.result(), int)
    found = wait([future])
    assert_type(found.done, set[TaskFuture[int]])


def mapped() -> None:
    several = length.map(["a", "b"], extra=unmapped(1))
    assert_type(several, TaskFutureList[int])
    assert_type(several.result(), list[int])
    assert_type([each.result() for each in several], list[int])
    assert_type(fetched.map(["x"]).result(), list[bytes])
    assert_type(length.map(["a"], return_state=True), list[State])


def changed() -> None:
    assert_type(length.with_options(retries=3)("a"), int)
    assert_type(length.with_options(retries=3).submit("a"), TaskFuture[int])
    assert_type(small.with_options(name="other")("monday"), list[int])
    length.with_options(retry=3)  # type: ignore[call-arg]


def assets() -> None:
    assert_type(report([1]), dict[str, int])
    kind: MaterializingTask[[list[int]], dict[str, int]] = report
    assert_type(kind.submit([1]).result(), dict[str, int])
    assert_type(report.with_options(retries=1)([1]), dict[str, int])
    assert_type(Asset(key="file:///x").key, str)


def elsewhere() -> None:
    assert_type(length.delay("a"), RunFuture[int])
    assert_type(length.delay("a").result(), int)
    assert_type(emit_event("order.placed", "order.1", payload={"total": 3}), Event)
    run_deployment("nightly/default", {"urls": []})
    get_run_logger().info("seen")
    with transaction(key="k"), tags("a"):
        length("a")


@length.on_rollback
def undone(transaction: object) -> None:
    hook: Callable[[object], None] = undone
    hook(transaction)


@flow
async def streamed(upto: int) -> AsyncIterator[int]:
    for number in range(upto):
        yield number


async def generators() -> None:
    assert_type([value async for value in streamed(3)], list[int])
    assert_type(list(counted(3)), list[int])


class Shop:
    @task
    def price(self, item: str) -> float:
        return len(item) / 2

    @flow
    def prices(self, items: list[str]) -> list[float]:
        return [self.price(item) for item in items]


def methods() -> None:
    assert_type(Shop().prices(["a"]), list[float])
