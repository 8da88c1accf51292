"""Deployments: kept with their events, refused where they are wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic_core import from_json

from upshot import flow
from upshot.events.exceptions import StoreUnavailable
from upshot.flows.deployments.deployment import ConcurrencyLimitConfig, Deployment, put
from upshot.flows.exceptions import EntrypointNotFound, InvalidDeployment

from .conftest import Seen


@flow(tags=["etl"], version="7")
def my_flow(day: str = "today") -> None:
    """Load it all."""


def stored(seen: Seen, name: str) -> tuple[int, dict[str, Any]]:
    value = seen.store.execute("HGET", seen.store.keys("docs", "deployment"), name)
    version, _, body = value.partition(b" ")
    return int(version), from_json(body)


def test_a_deployed_flow_can_be_found_by_workers(seen: Seen) -> None:
    made = my_flow.deploy("nightly", parameters={"day": "yesterday"}, tags=["night"])
    version, doc = stored(seen, "my-flow/nightly")
    assert version == 1
    assert doc == {
        "name": "my-flow/nightly",
        "entrypoint": f"{Path(__file__).resolve()}:my_flow",
        "work_pool": "default",
        "parameters": {"day": "yesterday"},
        "description": "Load it all.",
        "tags": ["etl", "night"],
        "version": "7",
        "concurrency_limit": None,
        "queue": None,
        "source": None,
        "job": {},
        "enforce_parameter_schema": True,
    }
    assert made.flow == "my-flow"
    (event,) = seen.events()
    assert event["event"] == "deployment.created"
    assert event["resource"]["name"] == "my-flow/nightly"


def test_a_limit_of_a_deployment_is_a_number_or_has_a_strategy() -> None:
    plain = Deployment.of(name="a/b", entrypoint="m:f", concurrency_limit=2)
    assert plain.concurrency_limit == ConcurrencyLimitConfig(limit=2)
    given = ConcurrencyLimitConfig(limit=2, collision_strategy="CANCEL_NEW")
    assert Deployment.of(name="a/b", entrypoint="m:f", concurrency_limit=given).concurrency_limit
    with pytest.raises(InvalidDeployment, match=r"concurrency_limit\.limit"):
        Deployment.of(name="a/b", entrypoint="m:f", concurrency_limit=0)


def test_deploying_again_updates_what_differs_and_keeps_a_pause(seen: Seen) -> None:
    one = Deployment.of(name="a/b", entrypoint="m:f")
    assert put(seen.store, one) == "created"
    assert put(seen.store, one) == "unchanged"
    version, doc = stored(seen, "a/b")
    key = seen.store.keys("docs", "deployment")
    paused = b'{"paused":true,' + seen.store.execute("HGET", key, "a/b").partition(b"{")[2]
    seen.store.execute("HSET", key, "a/b", b"%d " % version + paused)
    assert put(seen.store, Deployment.of(name="a/b", entrypoint="m:g", work_pool="p")) == "updated"
    version, doc = stored(seen, "a/b")
    assert (version, doc["paused"], doc["entrypoint"]) == (2, True, "m:g")
    assert seen.names() == ["deployment.created", "deployment.updated"]
    assert seen.events()[-1]["payload"]["fields"] == ["entrypoint", "work_pool"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": "no-slash", "entrypoint": "a:b"}, "name: "),
        ({"name": "a/b", "entrypoint": "nowhere"}, "entrypoint: "),
        ({"name": "a/b", "entrypoint": "a:b", "work_pool": "no spaces"}, "work_pool: "),
        ({"name": "a/b", "entrypoint": "a:b", "retires": 3}, "retires: unknown key"),
    ],
)
def test_a_wrong_deployment_is_refused_with_the_field(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidDeployment, match=message):
        Deployment.of(**fields)


def test_parameters_that_are_no_json_are_refused(seen: Seen) -> None:
    with pytest.raises(InvalidDeployment, match="parameters"):
        put(seen.store, Deployment.of(name="a/b", entrypoint="m:f", parameters={"x": object()}))


def test_a_flow_inside_of_a_function_has_no_entrypoint(seen: Seen) -> None:
    @flow
    def local() -> None: ...

    with pytest.raises(EntrypointNotFound, match="inside of a function"):
        local.deploy("x")


def test_deploying_needs_a_service_that_keeps_it(
    seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("UPSHOT_REDIS_URL")
    with pytest.raises(StoreUnavailable, match="upshot up"):
        my_flow.deploy("nightly")
