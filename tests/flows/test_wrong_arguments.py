"""Whatever a public function is given, it takes it or says by an error of ours which is wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import pytest

import upshot
from upshot import INPUTS, RunInput, Variable, flow, runtime, serializers, task
from upshot.events.exceptions import NotFound
from upshot.flows.definitions.options import FlowOptions, TaskOptions
from upshot.flows.deployments import serving
from upshot.flows.deployments.making import DeploymentOptions
from upshot.flows.deployments.remote import Wanted
from upshot.flows.exceptions import FlowPauseTimeout

from .conftest import Seen

CIRCULAR: Final[list[Any]] = []
CIRCULAR.append(CIRCULAR)

ODD: Final[dict[str, Any]] = {
    "None": None,
    "NaN": float("nan"),
    "infinite": float("inf"),
    "negative": -1,
    "enormous": 10**400,
    "beyond digits": 10**5000,
    "float": 1.5,
    "no text": "\ud800",
    "empty": "",
    "NUL": "a\0b",
    "long": "x" * 100_000,
    "bytes": b"\xff",
    "list": [1],
    "dict": {1: 2},
    "set": {1},
    "circular": CIRCULAR,
    "object": SimpleNamespace(),
    "type": int,
    "naive time": datetime(2026, 1, 1),  # noqa: DTZ001 - that it has no timezone is what is odd
}


@flow
def example(x: int = 1) -> int:
    return x


@task
def work(x: Any = 1) -> Any:
    return x


def refuses(given: Any) -> None:
    raise AssertionError(given)


def entered(block: AbstractContextManager[Any]) -> None:
    with block:
        pass


Call = Callable[[Any], Any]
OTHER_WORDS: Final = {"work_pool_name", "work_queue_name", "job_variables"}


def options_of(make: Callable[..., Any], names: frozenset[str]) -> dict[str, Call]:
    """Return a call for each option that a function takes by its name."""
    return {name: partial(_with_option, make, name) for name in sorted(names)}


def _with_option(make: Callable[..., Any], name: str, value: Any) -> Any:
    return make(**{name: value})


def with_prefix(prefix: str, calls: dict[str, Call]) -> dict[str, Call]:
    return {f"{prefix} {name}": call for name, call in calls.items()}


# What is behind the last blank is the argument that an error is to name.
WRITTEN: Final[dict[str, Call]] = {
    **with_prefix(
        "task", options_of(lambda **o: task(**o)(refuses), TaskOptions.__optional_keys__)
    ),
    **with_prefix(
        "flow", options_of(lambda **o: flow(**o)(refuses), FlowOptions.__optional_keys__)
    ),
    **with_prefix(
        "to_deployment",
        options_of(
            lambda **options: example.to_deployment("d", **options),
            DeploymentOptions.__optional_keys__ - OTHER_WORDS,
        ),
    ),
    "to_deployment name": lambda v: example.to_deployment(v),
    "flow fn": lambda v: flow(v) if v is not None else None,
    "task on_failure": lambda v: task(refuses).on_failure(v),
    "from_source source": lambda v: flow.from_source(v, "flows.py:f"),
    "from_source entrypoint": lambda v: flow.from_source(".", v),
    "exponential_backoff backoff_factor": upshot.exponential_backoff,
    "ThreadPoolTaskRunner max_workers": upshot.ThreadPoolTaskRunner,
    "ProcessPoolTaskRunner max_workers": upshot.ProcessPoolTaskRunner,
    "DaskTaskRunner cluster": upshot.DaskTaskRunner,
    "DaskTaskRunner address": lambda v: upshot.DaskTaskRunner(address=v),
    "DaskTaskRunner cluster_kwargs": lambda v: upshot.DaskTaskRunner(cluster_kwargs=v),
    "State name": upshot.State,
    "Completed message": upshot.Completed,
    "Asset key": upshot.Asset,
    "Asset properties": lambda v: upshot.Asset("a", v),
    "AssetProperties owners": lambda v: upshot.Asset("a", upshot.AssetProperties(owners=v)),
    "asset key": lambda v: upshot.asset(key=v)(refuses),
    "asset deps": lambda v: upshot.asset(key="a", deps=v)(refuses),
    "materialize asset": lambda v: upshot.materialize(v)(refuses),
    "materialize by": lambda v: upshot.materialize("a", by=v)(refuses),
    "materialize checks": lambda v: upshot.materialize("a", checks=v)(refuses),
    "asset_check asset": lambda v: upshot.asset_check(asset=v)(refuses),
    "asset_check name": lambda v: upshot.asset_check(asset="a", name=v)(refuses),
    "AssetCheckResult passed": upshot.AssetCheckResult,
    "AssetCheckResult severity": lambda v: upshot.AssetCheckResult(True, v),
    "AssetCheckResult metadata": lambda v: upshot.AssetCheckResult(True, metadata=v),
    "CacheKeyFnPolicy cache_key_fn": upshot.CacheKeyFnPolicy,
    "configure isolation_level": lambda v: INPUTS.configure(isolation_level=v),
    "configure key_storage": lambda v: INPUTS.configure(key_storage=v),
    "PickleSerializer picklelib": lambda v: serializers.PickleSerializer(picklelib=v),
    "CompressedSerializer serializer": serializers.CompressedSerializer,
    "concurrency names": upshot.concurrency,
    "concurrency occupy": lambda v: upshot.concurrency("a", v),
    "concurrency timeout_seconds": lambda v: upshot.concurrency("a", 1, v),
    "concurrency priority": lambda v: upshot.concurrency("a", priority=v),
    "transaction key": upshot.transaction,
    "transaction commit_mode": lambda v: upshot.transaction(commit_mode=v),
    "transaction isolation_level": lambda v: upshot.transaction(isolation_level=v),
    "transaction on_commit": lambda v: upshot.transaction(on_commit=v),
    "tags tags": lambda v: entered(upshot.tags(v)),
    "receive_input input_type": upshot.receive_input,
    "receive_input timeout": lambda v: upshot.receive_input(int, v),
    "receive_input key_prefix": lambda v: upshot.receive_input(int, key_prefix=v),
    "receive_input stay": lambda v: upshot.receive_input(int, stay=v),
    "with_initial_data description": lambda v: RunInput.with_initial_data(description=v),
    "with_initial_data nowhere": lambda v: RunInput.with_initial_data(nowhere=v),
    "wait futures": upshot.wait,
    "wait timeout": lambda v: upshot.wait([], v),
    "as_completed futures": lambda v: list(upshot.as_completed(v)),
    "as_completed timeout": lambda v: list(upshot.as_completed([], v)),
    "submit wait_for": lambda v: work.submit(1, wait_for=v),
    "call wait_for": lambda v: work(1, wait_for=v),
}
"""What neither a store nor a run is needed for."""

SERVED: Final[dict[str, Call]] = {
    "serve limit": lambda v: upshot.serve(example.to_deployment("d"), limit=v),
    "serve takes": upshot.serve,
    "flow.serve limit": lambda v: example.serve("d", limit=v),
    "task.serve limit": lambda v: work.serve(v),
    "serve_tasks tasks": serving.serve_tasks,
    "deploy work_pool": lambda v: upshot.deploy(example.to_deployment("d"), work_pool_name=v),
    "run_deployment name": lambda v: upshot.run_deployment(v, timeout=0),
    "run_deployment parameters": lambda v: upshot.run_deployment("example/d", v, timeout=0),
    **with_prefix(
        "run_deployment",
        options_of(
            lambda **wanted: upshot.run_deployment("example/d", **{"timeout": 0, **wanted}),
            Wanted.__optional_keys__ - {"timeout"} | {"nonsense"},
        ),
    ),
    "resume_flow_run id": upshot.resume_flow_run,
    "resume_flow_run run_input": lambda v: upshot.resume_flow_run("nobody", v),
    "send_input id": lambda v: upshot.send_input(1, v),
    "RunInput.send_to id": lambda v: RunInput().send_to(v),
    "wait_for_flow_run id": lambda v: asyncio.run(upshot.wait_for_flow_run(v)),
    "Variable.get name": Variable.get,
    "Variable.set name": lambda v: Variable.set(v, 1),
    "Variable.set value": lambda v: Variable.set("a", v, overwrite=True),
    "Variable.set overwrite": lambda v: Variable.set("b", 1, v),
    "emit_event event": lambda v: upshot.emit_event(v, "r.1"),
    "emit_event resource": lambda v: upshot.emit_event("a.b", v),
    "emit_event related": lambda v: upshot.emit_event("a.b", "r.1", v),
    "emit_event each related": lambda v: upshot.emit_event("a.b", "r.1", [v]),
    "emit_event payload": lambda v: upshot.emit_event("a.b", "r.1", payload=v),
    "emit_event occurred": lambda v: upshot.emit_event("a.b", "r.1", occurred=v),
    "emit_event id": lambda v: upshot.emit_event("a.b", "r.1", id=v),
    "delay x": lambda v: work.delay(v),
}
"""What needs a store."""

INSIDE: Final[dict[str, Call]] = {
    "send_input run_input": lambda v: upshot.send_input(v, own_id()),
    "send_input sender": lambda v: upshot.send_input(1, own_id(), sender=v),
    "send_input key_prefix": lambda v: upshot.send_input(1, own_id(), key_prefix=v),
    "pause_flow_run wait_for_input": lambda v: upshot.pause_flow_run(v, timeout=0),
    "pause_flow_run key": lambda v: upshot.pause_flow_run(key=v, timeout=0),
    "pause_flow_run description": lambda v: upshot.pause_flow_run(timeout=0, description=v),
    "rate_limit names": upshot.rate_limit,
    "rate_limit occupy": lambda v: upshot.rate_limit("a", v),
    "rate_limit timeout_seconds": lambda v: upshot.rate_limit("a", 1, v),
    "concurrency names": lambda v: entered(upshot.concurrency(v)),
    "create_link_artifact link": upshot.create_link_artifact,
    "create_link_artifact key": lambda v: upshot.create_link_artifact("a", key=v),
    "create_link_artifact description": lambda v: upshot.create_link_artifact("a", description=v),
    "create_table_artifact table": upshot.create_table_artifact,
    "create_table_artifact cells of table": lambda v: upshot.create_table_artifact([{"a": v}]),
    "create_progress_artifact progress": upshot.create_progress_artifact,
    "update_progress_artifact artifact_id": lambda v: upshot.update_progress_artifact(v, 1),
    "Transaction.set name": lambda v: in_transaction(lambda: found().set(v, 1)),
    "Transaction.set value": lambda v: in_transaction(lambda: found().set("a", v)),
    "Transaction.get name": lambda v: in_transaction(lambda: found().get(v)),
    "add_asset_metadata asset": lambda v: made(lambda: upshot.add_asset_metadata(v, {})),
    "add_asset_metadata metadata": lambda v: made(lambda: upshot.add_asset_metadata("a", v)),
    "call wait_for": lambda v: work(1, wait_for=v),
    "add_done_callback callback": lambda v: None if v is int else calls_back(v),
}
"""What needs a run around it."""

WAITING: Final[dict[str, Call]] = {
    "pause_flow_run timeout": lambda v: upshot.pause_flow_run(timeout=v),
    "suspend_flow_run timeout": lambda v: upshot.suspend_flow_run(timeout=v),
    "wait_for_event timeout": lambda v: upshot.wait_for_event("a.b", timeout=v),
    "wait_for_event expect": lambda v: upshot.wait_for_event(v),
    "wait_for_event match": lambda v: upshot.wait_for_event(match=v),
    "wait_for_event match_related": lambda v: upshot.wait_for_event(match_related=v),
    "wait_for_event where": lambda v: upshot.wait_for_event("a.b", where=v),
    "wait_for_event since": lambda v: upshot.wait_for_event("a.b", since=v),
    "wait_for_event key": lambda v: upshot.wait_for_event("a.b", key=v),
    "wait_for_event stay": lambda v: upshot.wait_for_event("a.b", stay=v),
    "future.result timeout": lambda v: work.submit().result(v),
    "run_deployment timeout": lambda v: upshot.run_deployment("example/d", timeout=v),
}
"""What waits where an argument is right, so only what never is one is given."""

_NEVER: Final = ("NaN", "enormous", "no text", "bytes", "object", "type", "naive time")


def own_id() -> str:
    return str(runtime.flow_run.id)


def calls_back(function: Any) -> None:
    work.submit().add_done_callback(function)


def found() -> upshot.Transaction:
    transaction = upshot.get_transaction()
    assert transaction is not None
    return transaction


def in_transaction(act: Callable[[], None]) -> None:
    with upshot.transaction():
        act()


def made(act: Callable[[], None]) -> None:
    @upshot.materialize("a")
    def materialized() -> None:
        act()

    materialized()


def complaint(name: str, call: Call, value: Any) -> str:
    """Return what is wrong with how a function takes a value; nothing is."""
    argument = name.rpartition(" ")[2]
    try:
        call(value)
    except (NotFound, FlowPauseTimeout):  # it was taken
        return ""
    except Exception as error:  # noqa: BLE001 - any other than ours is what is looked for
        if type(error).__module__.startswith("upshot."):
            return "" if argument in str(error) else f"{error} does not name {argument}"
        return f"{type(error).__name__}: {error}"
    return ""


def complaints(name: str, call: Call, values: Any = tuple(ODD)) -> dict[str, str]:
    each = {value: complaint(name, call, ODD[value]) for value in values}
    return {value: found for value, found in each.items() if found}


@pytest.mark.parametrize("name", WRITTEN)
def test_what_is_written_wrong_is_named(name: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    assert complaints(name, WRITTEN[name]) == {}


@pytest.mark.parametrize("name", SERVED)
def test_what_is_asked_for_wrong_is_named(
    name: str, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "serve_pool", lambda *_: 0)
    upshot.deploy(example.to_deployment("d"))
    assert complaints(name, SERVED[name]) == {}


@pytest.mark.parametrize("name", INSIDE)
def test_what_is_wrong_in_a_run_is_named(name: str, seen: Seen) -> None:
    @flow
    def asked() -> dict[str, str]:
        return complaints(name, INSIDE[name])

    assert asked() == {}


@pytest.mark.parametrize("name", WAITING)
def test_nobody_waits_for_what_makes_no_sense(name: str, seen: Seen) -> None:
    @flow
    def asked() -> dict[str, str]:
        return complaints(name, WAITING[name], _NEVER)

    upshot.deploy(example.to_deployment("d"))
    assert asked() == {}
