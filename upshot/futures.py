"""Futures, where users of Prefect import them from."""

from upshot.flows.calls.arguments import resolve as resolve
from upshot.flows.calls.futures import (
    TaskFuture as TaskFuture,
    TaskFutureList as TaskFutureList,
    as_completed as as_completed,
    wait as wait,
)

PrefectFuture = TaskFuture
PrefectFutureList = TaskFutureList
resolve_futures_to_results = resolve
