"""Cache policies: what of a call makes the key under which its result is found again."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from upshot import (
    DEFAULT,
    FLOW_PARAMETERS,
    INPUTS,
    NO_CACHE,
    RUN_ID,
    TASK_SOURCE,
    CacheKeyFnPolicy,
    CachePolicy,
    IsolationLevel,
    flow,
    task,
    task_input_hash,
)

from .conftest import Seen


@dataclass
class Point:
    x: int
    labels: dict[str, int]


def test_results_of_one_object_are_not_those_of_another(seen: Seen) -> None:
    @dataclass
    class Scale:
        factor: int

        @task(cache_policy=INPUTS)
        def times(self, x: int) -> int:
            return self.factor * x

        @task(cache_policy=INPUTS - "self")
        def kind(self) -> str:
            return f"scale of {self.factor}"

    Scale.__qualname__ = "Scale"
    globals()["Scale"] = Scale  # so that it has a name by which it is hashed

    @flow
    def f() -> list[Any]:
        return [Scale(factor).times(10) for factor in (2, 3, 2)] + [
            Scale(4).kind(),
            Scale(5).kind(),
        ]

    assert f() == [20, 30, 20, "scale of 4", "scale of 4"]
    names = [record["state"]["name"] for record in seen.tasks().values()]
    assert sorted(names) == ["Cached", "Cached", "Completed", "Completed", "Completed"]


def test_what_a_task_has_from_the_function_around_it_is_a_part_of_its_source(seen: Seen) -> None:
    def made(factor: int) -> Any:
        @task(cache_policy=INPUTS + TASK_SOURCE)
        def times(x: int) -> int:
            return factor * x

        return times

    @flow
    def f(factor: int) -> int:
        result: int = made(factor)(10)
        return result

    assert [f(2), f(3), f(2)] == [20, 30, 20]


@pytest.fixture
def ran() -> list[Any]:
    return []


def calls(policy: CachePolicy | None, ran: list[Any], **options: Any) -> int:
    """Return how often the body runs in two runs of two equal calls each."""
    ran.clear()

    @task(cache_policy=policy, **options)
    def body(x: int) -> int:
        ran.append(x)
        return x

    @flow
    def f(n: int) -> None:
        body(1)
        body(1)

    f(1)
    f(2)
    return len(ran)


def test_each_policy_finds_what_it_says(seen: Seen, ran: list[Any]) -> None:
    assert calls(None, ran) == 4
    assert calls(NO_CACHE, ran) == 4
    assert calls(RUN_ID, ran) == 2
    assert calls(DEFAULT, ran) == 2
    assert calls(FLOW_PARAMETERS, ran) == 2
    assert calls(INPUTS + FLOW_PARAMETERS, ran, name="other") == 2
    assert calls(TASK_SOURCE, ran) == 1
    assert calls(NO_CACHE + INPUTS, ran, name="third") == 1
    assert calls(None, ran, persist_result=True) == 2
    assert calls(NO_CACHE, ran, persist_result=True) == 4
    assert calls(None, ran, cache_key_fn=lambda context, parameters: "one key") == 1
    assert calls(None, ran, cache_key_fn=lambda context, parameters: None) == 4
    assert calls(None, ran, cache_key_fn=task_input_hash, name="fourth") == 1
    assert calls(CacheKeyFnPolicy(lambda context, _: context.task_run.flow_run_id), ran) == 2


def test_flow_parameters_count_as_they_are_and_not_as_they_are_shown(
    seen: Seen, ran: list[Any]
) -> None:
    @task(cache_policy=FLOW_PARAMETERS)
    def body() -> None:
        ran.append(1)

    @flow
    def f(rows: list[str], point: Point) -> None:
        body()

    for letter in "aba":
        f([letter * 400_000], Point(1, {}))
    f(["a" * 400_000], Point(2, {}))
    assert len(ran) == 3


def test_policies_add_up_and_leave_parameters_out(seen: Seen, ran: list[Any]) -> None:
    @task(cache_policy=DEFAULT - "session" - "verbose")
    def load(table: str, session: object, verbose: bool = False) -> str:
        ran.append(table)
        return table

    @flow
    def f() -> None:
        load("a", lambda: 1)
        load("a", lambda: 2, verbose=True)
        load("b", object())

    f()
    assert ran == ["a", "b"]
    with pytest.raises(TypeError, match="no parameter 'x' to leave out"):
        RUN_ID - "x"
    with pytest.raises(TypeError):
        INPUTS + "x"  # type: ignore[operator]
    serial = INPUTS.configure(isolation_level="SERIALIZABLE")
    assert (serial + RUN_ID).isolation_level is IsolationLevel.SERIALIZABLE
    with pytest.raises(ValueError, match="isolation_level: policies that are added"):
        serial + RUN_ID.configure(isolation_level="READ_COMMITTED")


def test_an_input_without_a_hash_is_said_by_name_and_not_cached(seen: Seen, ran: list[Any]) -> None:
    @task(cache_policy=INPUTS)
    def call(made: Any) -> int:
        ran.append(1)
        return 1

    @flow
    def f() -> None:
        call(threading.Lock())
        call(threading.Lock())

    f()
    assert len(ran) == 2
    assert any("parameter 'made' can't be hashed" in line for line in seen.messages())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cache_policy": "INPUTS"}, "cache_policy: must be a CachePolicy"),
        ({"cache_key_fn": "x"}, "cache_key_fn: must be callable"),
        ({"cache_expiration": 0}, "cache_expiration: must be more than 0"),
        ({"cache_expiration": timedelta(0)}, "cache_expiration: must be more than 0"),
        ({"result_storage": 3}, "result_storage: must be a path"),
        ({"result_storage": "nowhere://x"}, "result_storage: fsspec knows no 'nowhere'"),
        ({"result_serializer": "yaml"}, "result_serializer: must be one of json, pickle"),
        ({"result_storage_key": "../x"}, "result_storage_key: must be a name"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused_by_name(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        task(**options)
