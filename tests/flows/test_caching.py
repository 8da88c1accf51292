"""Caching: what was computed is found again, by whom and for how long its policy says."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path, PurePosixPath
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

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
from upshot.flows.exceptions import Unhashable
from upshot.flows.results.hashing import hash_code, hash_value
from upshot.flows.running import TaskRunContext
from upshot.flows.states import State

from .conftest import Processes, Seen, eventually

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text("abc"),
    lambda inner: st.lists(inner) | st.dictionaries(st.text("abc"), inner),
    max_leaves=10,
)


class Model(BaseModel):
    x: int = 1
    tags: set[str] = set()


@dataclass
class Point:
    x: int
    labels: dict[str, int]


def turned(value: Any) -> Any:
    """Return an equal value whose dicts were filled the other way round."""
    if isinstance(value, dict):
        return {key: turned(value[key]) for key in reversed(value)}
    return [turned(item) for item in value] if isinstance(value, list) else value


@given(value=JSON)
def test_equal_values_have_equal_hashes_in_any_order(value: Any) -> None:
    assert hash_value(value) == hash_value(turned(value))
    assert hash_value((value,)) == hash_value((turned(value),))


def test_all_kinds_of_values_have_hashes_and_different_ones_different_hashes() -> None:
    values = [
        1, 1.0, "1", True, None, [1], (1,), {1}, {"a": 1}, {"a": 2}, b"1", Model(), Model(x=2),
        Point(1, {}), Point(1, {"a": 1}), PurePosixPath("a"), PurePosixPath("b"), timedelta(1),
    ]  # fmt: skip
    assert len({hash_value(value) for value in values}) == len(values)
    assert hash_value(Model(x=1)) == hash_value(Model())
    assert hash_value(Model(tags={"a", "b"})) == hash_value(Model(tags={"b", "a"}))
    assert hash_value(Point(1, {"a": 1, "b": 2})) == hash_value(Point(1, {"b": 2, "a": 1}))


def test_large_and_circular_values_are_hashed_or_refused_but_never_hang() -> None:
    circle: list[Any] = []
    circle.append(circle)
    ring: dict[str, Any] = {}
    ring["ring"] = ring
    for value in (circle, ring):
        with pytest.raises(Unhashable):
            hash_value(value)
    many = [(number,) for number in range(250_000)]
    assert hash_value(many) == hash_value(list(many))


def test_what_nothing_can_write_is_refused_by_name_unless_cloudpickle_is_chosen() -> None:
    called, anything = task(lambda x: x, name="f"), cast("Any", SimpleNamespace())
    context = TaskRunContext(called, anything, anything)
    with pytest.raises(Unhashable, match="parameter 'made' can't be hashed"):
        INPUTS.compute_key(context, {"x": 1, "made": lambda: 1}, {})
    chosen = type(INPUTS)(cloudpickle=True)
    assert chosen.compute_key(context, {"made": lambda: 1}, {})


def test_the_hash_of_code_changes_with_what_it_does_only() -> None:
    def made(source: str) -> Any:
        place: dict[str, Any] = {}
        exec(source, place)
        return place["f"]

    plain = hash_code(made("def f(x):\n    return x in {'a', 'b'}"))
    assert (
        hash_code(made("# why\n\ndef f(x: str):\n    # how\n    return x in {'b', 'a'}")) == plain
    )
    for other in (
        "def f(x):\n    return x in {'a', 'c'}",
        "def f(x):\n    return x not in {'a', 'b'}",
        "def f(x='a'):\n    return x in {'a', 'b'}",
        "def f(x):\n    return (lambda: x in {'a', 'b'})()",
    ):
        assert hash_code(made(other)) != plain
    assert hash_code(partial(max, 1)) == hash_code(partial(max, 1))
    different = {hash_code(one) for one in (max, min, partial(max, 1), partial(max, 2))}
    assert len(different) == 4


def test_the_hash_of_code_tells_one_variable_of_the_outer_function_from_another() -> None:
    one, other = 1, 2
    assert hash_code(lambda: one) != hash_code(lambda: other)


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


def test_a_call_with_known_inputs_is_cached_in_any_run(seen: Seen, ran: list[Any]) -> None:
    @task(cache_policy=INPUTS)
    def double(x: int, y: int = 0) -> int:
        ran.append(x)
        return 2 * x

    @flow
    def f() -> list[int]:
        return [double(1), double(1, 0), double(2), double.submit(2).result()]

    assert f() == [2, 2, 4, 4]
    assert f() == [2, 2, 4, 4]
    assert ran == [1, 2]
    last = seen.runs()[-1]
    states = seen.states("double-0", last.id)
    assert states == ["Pending", "Cached"]
    record = seen.tasks(last.id)["double-0"]
    assert (record["state"]["type"], record["result"], record["attempt"]) == ("Completed", 2, 0)
    assert "by task run double-0" in record["state"]["message"]


async def test_coroutines_are_cached_as_well(seen: Seen, ran: list[Any]) -> None:
    @task(cache_policy=INPUTS)
    async def double(x: int) -> int:
        ran.append(x)
        return 2 * x

    @flow
    async def f() -> list[int]:
        return [await double(1), await double(1), await double.submit(1)]

    assert await f() == [2, 2, 2]
    assert ran == [1]


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


def test_a_result_counts_no_more_once_it_expired(seen: Seen, ran: list[Any]) -> None:
    @task(cache_policy=INPUTS, cache_expiration=timedelta(hours=1))
    def value(x: int) -> int:
        ran.append(x)
        return x

    @flow
    def f() -> list[int]:
        return [value(1), value(1)]

    f()
    assert ran == [1]
    store = seen.store
    key, until = store.keys("cache", "until"), 1000 * (time.time() + 3600)
    (name, score) = store.execute("ZRANGE", key, 0, -1, "WITHSCORES")[0]
    assert until - 60_000 < float(score) < until + 1000
    store.execute("ZADD", key, 1000 * time.time() - 1, name)
    f()
    assert ran == [1, 1]
    store.execute("ZADD", key, 1000 * time.time() - 1, name)
    assert [store.call("sweep_cache", 10) for _ in range(2)] == [1, 0]
    assert store.execute("HLEN", store.keys("cache")) == 0


def test_refreshing_computes_anew_and_caches_that(seen: Seen) -> None:
    count = iter(range(10))

    @task(cache_policy=INPUTS)
    def number(x: int) -> int:
        return next(count)

    @flow
    def f(refresh: bool) -> int:
        return number.with_options(refresh_cache=refresh)(1)

    assert [f(False), f(False), f(True), f(False)] == [0, 0, 1, 1]


def test_the_same_is_computed_once_where_it_is_serializable(seen: Seen) -> None:
    computed: list[int] = []

    @task(cache_policy=INPUTS.configure(isolation_level="SERIALIZABLE"))
    def slow(x: int) -> int:
        time.sleep(0.2)
        computed.append(x)
        return x

    @flow
    def f() -> list[int]:
        return slow.map([1, 1, 2, 1]).result()

    threads = [threading.Thread(target=f) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(computed) == {1: 1, 2: 1}
    assert seen.store.execute("HLEN", seen.store.keys("locks")) == 0


def test_a_failure_lets_go_of_the_lock(seen: Seen) -> None:
    fails = [True, False]

    @task(cache_policy=INPUTS.configure(isolation_level="SERIALIZABLE"))
    def shaky() -> int:
        if fails.pop(0):
            raise ValueError("once")
        return 1

    @flow
    def f() -> int:
        return shaky()

    with pytest.raises(ValueError, match="once"):
        f()
    assert seen.store.execute("HLEN", seen.store.keys("locks")) == 0
    assert f() == 1


def test_who_computes_a_result_is_not_waited_for_by_what_it_calls(seen: Seen) -> None:
    depth: list[int] = []

    @task(cache_policy=INPUTS.configure(isolation_level="SERIALIZABLE"))
    def again(x: int) -> int:
        depth.append(x)
        return again.submit(x).result() if len(depth) < 3 else x

    @flow
    def f() -> int:
        return again(1)

    assert f() == 1
    assert depth == [1, 1, 1]


LOCKED = """
import time
from pathlib import Path
from upshot import flow, task, INPUTS
here = Path(__file__).parent

@task(cache_policy=INPUTS.configure(isolation_level="SERIALIZABLE"))
def slow(x: int) -> int:
    with open(here / "begun", "a") as file:
        file.write("x")
    while not (here / "go").exists():
        time.sleep(0.01)
    return x

@flow
def f() -> int:
    return slow(1)
"""


def test_the_lock_of_a_killed_holder_is_free_once_its_lease_is_over(
    processes: Processes, tmp_path: Path
) -> None:
    path = processes.module(LOCKED) + ":f"
    holder, waiter = processes.create(path), processes.create(path)
    first = processes.start(processes.take(holder.id, lease_ms=600), lease_ms=600)
    eventually(lambda: (tmp_path / "begun").exists())
    second = processes.start(processes.take(waiter.id))
    eventually(lambda: "slow-0" in processes.seen.tasks(waiter.id))
    first.send_signal(signal.SIGKILL)
    first.end()
    eventually(lambda: (tmp_path / "begun").read_text() == "xx")
    (tmp_path / "go").touch()
    second.end()
    assert processes.seen.run(waiter.id).result == 1
    processes.change(holder.id, State("Crashed"))
    again = processes.retry(holder.id)
    assert again.result == 1
    assert (tmp_path / "begun").read_text() == "xx"
    store = processes.seen.store
    assert store.call("sweep_locks") == 0
    assert store.execute("HLEN", store.keys("locks")) == 0


def test_the_cache_is_bounded_and_the_oldest_go_first(seen: Seen) -> None:
    store = seen.store
    for number in range(6):
        store.call("cache", 4, f"k{number}", "{}", f"/there/{number}", 0)
    assert [bool(store.call("find_cached", f"k{number}")) for number in range(6)] == [
        False, False, True, True, True, True,
    ]  # fmt: skip
    assert sorted(store.execute("SMEMBERS", store.keys("litter"))) == [
        b"file /there/0", b"file /there/1",
    ]  # fmt: skip


def test_a_cached_file_that_is_gone_is_computed_again(
    seen: Seen, tmp_path: Path, ran: list[Any]
) -> None:
    @task(cache_policy=INPUTS)
    def value(x: int) -> int:
        ran.append(x)
        return x

    @flow
    def f() -> int:
        return value(1)

    f()
    (cached,) = (tmp_path / "data" / "results" / "cache").iterdir()
    cached.write_bytes(b"{ not JSON")
    assert f() == 1
    for path in cached.parent.iterdir():
        path.unlink()
    assert f() == 1
    assert ran == [1, 1, 1]
    assert any("what is cached can't be used" in line for line in seen.messages(seen.runs()[-1].id))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cache_policy": "INPUTS"}, "cache_policy: must be a CachePolicy"),
        ({"cache_key_fn": "x"}, "cache_key_fn: must be callable"),
        ({"cache_expiration": 0}, "cache_expiration: must be more than 0"),
        ({"cache_expiration": timedelta(0)}, "cache_expiration: must be more than 0"),
        ({"result_storage": 3}, "result_storage: must be a path"),
        ({"result_storage": "nowhere://x"}, "result_storage: fsspec knows no 'nowhere'"),
        ({"result_serializer": "yaml"}, "result_serializer: 'yaml' is none of json, pickle"),
        ({"result_storage_key": "../x"}, "result_storage_key: must be a name"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused_by_name(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        task(**options)
