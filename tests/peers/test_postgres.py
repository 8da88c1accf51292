"""The recorded past in a real PostgreSQL: the same rows, the same lists, once across kills."""

from __future__ import annotations

import asyncio
import os
import pwd
import random
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.peers.processes import free_port, running, wait_for
from tests.services.api_served import served
from tests.services.archived import Steps, event, logged_positions, record_task, until_archived
from tests.services.pasts import RunsOfAll
from tests.services.running import service
from tests.services.test_history_migrations import differences
from tests.waiting import until
from upshot.events.event import Event
from upshot.events.log import Log
from upshot.events.settings import Settings
from upshot.events.store import Store
from upshot.flows.states import State
from upshot.services.history.address import database_url
from upshot.services.history.database import Database
from upshot.services.history.migrating import migrate
from upshot.services.history.writing import forget

pytestmark = pytest.mark.peers

FAR = 10**14
TERMINATE = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
)
POSITIONS = "SELECT received, seq FROM events ORDER BY received, seq"


def _program(name: str) -> str:
    """Find a program of PostgreSQL, which Debian keeps beside the path, one folder a version."""
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    found = str(versions[-1]) if versions else shutil.which(name)
    if found is None:
        pytest.fail(f"{name} is not installed; `make test-peers` installs it")
    return found


def _as_nobody(folder: Path) -> tuple[str, ...]:
    """Return what runs a command without root's rights, which PostgreSQL refuses to have."""
    if os.geteuid() != 0:
        return ()
    user = pwd.getpwnam("postgres")
    os.chown(folder, user.pw_uid, user.pw_gid)
    for above in folder.parents[:-2]:  # pytest lets only its own user pass
        above.chmod(above.stat().st_mode | 0o011)
    return ("setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups")


@contextmanager
def _server(folder: Path) -> Iterator[str]:
    where, port = folder / "postgres", free_port()
    where.mkdir(mode=0o700)
    nobody = _as_nobody(where)
    made = (_program("initdb"), "-D", str(where), "-U", "upshot", "-A", "trust", "-E", "UTF8")
    subprocess.run([*nobody, *made, "--locale=C.UTF-8"], check=True, capture_output=True, cwd="/")
    address = ("-h", "127.0.0.1", "-p", str(port), "-k", str(where))
    with running(
        folder / "postgres.log", *nobody, _program("postgres"), "-D", str(where), *address
    ):
        ready = [_program("pg_isready"), "-h", "127.0.0.1", "-p", str(port), "-q"]
        wait_for("PostgreSQL", lambda: subprocess.run(ready).returncode == 0 or None)
        yield f"postgresql://upshot@127.0.0.1:{port}"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of its own on a free port; gives its address."""
    with _server(tmp_path_factory.mktemp("peer")) as address:
        yield address


@pytest.fixture
async def url(server: str) -> str:
    """Return the address of an empty database."""
    name = f"history_{random.randrange(10**9)}"
    connection = await asyncpg.connect(f"{server}/postgres")
    await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()
    return f"{server}/{name}?sslmode=disable"


@pytest.fixture
async def by_hand(store: Store, url: str) -> AsyncIterator[Steps]:
    made = Steps(store, database_url(Settings(database_url=url)))
    yield made
    await made.close()


async def ask(url: str, query: str) -> list[tuple[Any, ...]]:
    connection = await asyncpg.connect(url)
    try:
        return [tuple(row) for row in await connection.fetch(query)]
    finally:
        await connection.close()


async def positions(url: str) -> list[str]:
    return [f"{received}-{seq}" for received, seq in await ask(url, POSITIONS)]


async def test_an_empty_database_gets_the_tables_that_the_code_uses(url: str) -> None:
    database = Database(database_url(Settings(database_url=url)), writes=True)
    await migrate(database)
    await migrate(database)
    async with database.transaction() as connection:
        assert await connection.run_sync(differences) == []
    await database.close()


async def test_events_that_postgres_might_refuse_are_written(by_hand: Steps, url: str) -> None:
    log = Log(by_hand.store)
    await log.append(event(number) for number in range(1500))
    strange = "\x00" + "\U0001f9f0" * 1000
    await log.append([Event(event="a.b", resource={"id": strange}, payload={"x": "\x00"})])
    await by_hand.catch_up()
    assert await positions(url) == await logged_positions(by_hand.store)


async def test_lists_reach_back_into_postgres(by_hand: Steps, url: str) -> None:
    store, world = by_hand.store, RunsOfAll(by_hand)
    await Log(store).append(event(number) for number in range(30))
    await world.do([("new", 8)])
    run = await world.make("Running")
    await record_task(store, run, "t1", "Completed")
    await world.runs.transition(run, State("Completed"), own=True)
    async with served(store.url, database_url=url) as api:
        paths = [
            *("events", "events?event=order.*", "events?resource=order.3,order.5", "firings"),
            *("runs", "runs?state=Failed", "runs?flow=etl", "runs/n3", "task-runs"),
        ]
        before = {path: await api.get(f"/api/v1/{path}") for path in paths}
        await by_hand.catch_up()
        await store.execute("XTRIM", store.keys("log"), "MAXLEN", 4)
        assert await store.call("forget_runs", FAR, 100) > 3
        assert {path: await api.get(f"/api/v1/{path}") for path in paths} == before
        seen: list[str] = []
        cursor = None
        while cursor or not seen:
            query = {"limit": 7} | ({"cursor": cursor} if cursor else {})
            answer = await api.get("/api/v1/events", params=query)
            seen += [each["id"] for each in answer["items"]]
            cursor = answer["next"]
        assert seen == [each["id"] for each in before["events"]["items"]]


async def test_what_is_past_its_time_is_dropped(by_hand: Steps, url: str) -> None:
    await RunsOfAll(by_hand).do([("new", 4)])
    await by_hand.catch_up()
    while await forget(by_hand.archiver.database, FAR, 2):
        pass
    assert await positions(url) == []
    assert await ask(url, "SELECT DISTINCT state FROM flow_runs") == [("Running",)]


async def test_killed_at_random_moments_it_writes_each_event_once(
    store: Store, store_url: str, url: str
) -> None:
    log, appended, key = Log(store), 0, store.keys("counters")
    for round_ in range(4):
        with service("archiver", store_url=store_url, database_url=url) as process:
            began = lambda: store.execute("HEXISTS", key, "read:archiver")  # noqa: E731
            await until(began, "it has registered")
            for _ in range(random.randrange(1, 40)):
                await log.append(event(each) for each in range(appended, appended + 50))
                appended += 50
                await asyncio.sleep(0.01)
            if round_ == 3:
                await until_archived(store)
            process.kill()
        await store.execute("HDEL", key, "read:archiver")
    assert await positions(url) == await logged_positions(store)


async def test_a_server_that_goes_away_is_waited_for(
    store: Store, store_url: str, tmp_path: Path
) -> None:
    with _server(tmp_path) as address:
        url = f"{address}/postgres"
        with service("archiver", store_url=store_url, database_url=url):
            await Log(store).append([event(1)])
            await until_archived(store)
            await ask(url, TERMINATE)
            await Log(store).append([event(2)])
            await until_archived(store)
            assert await positions(url) == await logged_positions(store)
