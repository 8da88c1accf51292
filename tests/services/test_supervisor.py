"""`upshot up` with real processes: what dies is started again, and nothing outlives it."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.waiting import eventually

from .service import Service, descendants, gone

PARTS = {
    "store": "valkey-server",
    "api": "serving api",
    "light": "serving engine",
    "worker": "serving worker",
}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One service for the tests that leave it running."""
    running = Service(tmp_path_factory.mktemp("up")).start()
    yield running
    running.stop()


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Service]:
    """A service for a test that ends it."""
    running = Service(tmp_path)
    yield running
    running.stop()


def test_it_tells_of_each_part_and_then_where_it_is(service: Service) -> None:
    assert service.out == f"ready {service.url}\n"
    for part in ("store", "api", "engine", "dispatcher", "scheduler", "workers"):
        assert service.err.count(f"{part:<12}ready after") == 1


@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_is_killed_is_started_again(service: Service, part: str) -> None:
    before = service.child(PARTS[part])
    assert before is not None
    os.kill(before, signal.SIGKILL)
    eventually(lambda: service.child(PARTS[part]) not in (None, before), f"{part} runs again")
    eventually(lambda: service.run("status").returncode == 0, "all parts are ready again")
    assert "was killed by SIGKILL; starting it again" in service.err


def test_what_was_sent_before_a_kill_of_the_store_is_there_after_it(service: Service) -> None:
    sent = service.run("event", "emit", "order.placed", "-r", "order.1")
    store = service.child(PARTS["store"])
    assert sent.returncode == 0
    assert store is not None
    os.kill(store, signal.SIGKILL)
    eventually(lambda: service.child(PARTS["store"]) not in (None, store), "the store runs again")
    eventually(lambda: service.run("status").returncode == 0, "all parts are ready again")
    assert sent.stdout.strip() in service.run("event", "ls", "-r", "order.1", "-o", "json").stdout


def test_a_second_one_on_the_same_data_is_refused(service: Service) -> None:
    second = service.spawn("up", "--port", "0", "--data-dir", "data")
    assert second.returncode == 1
    assert f"in use by process {service.pid}" in second.stderr
    assert "Traceback" not in second.stderr


def test_an_address_in_use_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        other = Service(tmp_path)
        refused = other.spawn("up", "--port", str(port), "--data-dir", "data")
    assert refused.returncode == 1
    assert f"can't listen at 127.0.0.1:{port}" in refused.stderr
    assert not (tmp_path / "data").exists()


def test_a_kill_of_the_supervisor_takes_everything_along(own: Service) -> None:
    own.start()
    children = list(descendants(own.pid))
    assert len(children) >= len(PARTS)
    os.kill(own.pid, signal.SIGKILL)
    eventually(lambda: gone(children), "nothing is left")


def test_it_stops_in_order_and_leaves_nothing(own: Service) -> None:
    own.start()
    children = list(descendants(own.pid))
    os.kill(own.pid, signal.SIGTERM)
    assert own.wait() == 0
    assert gone(children)
    assert '"stopped"' in own.err


def test_it_can_be_stopped_while_it_starts(own: Service) -> None:
    own.begin()
    eventually(lambda: "store" in own.err, "the store is ready")
    children = list(descendants(own.pid))
    os.kill(own.pid, signal.SIGINT)
    assert own.wait() == 0
    assert gone(children)
    assert own.out == "" or own.out.startswith("ready ")  # it may have been quicker than the signal


def test_a_server_of_the_user_s_own_takes_the_place_of_the_embedded_store(
    tmp_path: Path, store_url: str
) -> None:
    own = Service(tmp_path, "--redis-url", store_url)
    try:
        own.start()
        assert own.child("valkey-server") is None
        assert own.run("event", "emit", "order.placed", "-r", "order.1").returncode == 0
    finally:
        own.stop()
