"""A user's program that comes from Prefect: what type checkers understand of its import lines.

Each ``assert_type`` is checked by mypy --strict and pyright alike.
"""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from typing import Any, assert_type

import upshot
from upshot import concurrency as slots
from upshot.cache_policies import INPUTS, CachePolicy
from upshot.client.schemas.objects import FlowRun
from upshot.concurrency.sync import concurrency
from upshot.events import Event, emit_event
from upshot.flows import Flow, flow
from upshot.futures import PrefectFuture, wait
from upshot.input import RunInput, receive_input
from upshot.runtime import flow_run
from upshot.states import Completed, State
from upshot.tasks import task
from upshot.variables import Variable


class Order(RunInput):
    what: str


@task(cache_policy=INPUTS - "verbose")
def length(text: str) -> int:
    return len(text)


def told(done: Flow[..., Any], run: FlowRun, state: State) -> None:
    assert_type(run.name, str)
    assert_type(state.message, str)


@flow(on_completion=[told])
def measured(words: list[str]) -> list[int]:
    futures: list[PrefectFuture[int]] = [length.submit(word) for word in words]
    wait(futures)
    with concurrency("few"), slots("few"):
        return [future.result() for future in futures]


def checked() -> None:
    assert_type(measured(["a"]), list[int])
    assert_type(INPUTS + INPUTS, CachePolicy)
    assert_type(flow_run.name, str | None)
    assert_type(Completed(), State)
    assert_type(emit_event("order.placed", "order.1"), Event)
    assert_type(Variable("a", 1).name, str)
    assert_type(flow.from_source("https://git.example.org/a.git", "a.py:f"), Flow[..., Any])
    for order in Order.receive():
        assert_type(order, Order)
    assert_type(receive_input(int).next(), int)
    assert_type(receive_input(int, with_metadata=True).next().value, int)
    upshot.flwo  # type: ignore[attr-defined]  # noqa: B018
