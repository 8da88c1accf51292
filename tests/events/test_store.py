"""The store's connection: functions are there when they are called, answers mean what they say."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from pathlib import Path

import pytest
from redis.exceptions import (
    BusyLoadingError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from upshot.events import exceptions as errors
from upshot.events.connections import UNUSED
from upshot.events.embedded import EmbeddedStore
from upshot.events.library import FUNCTIONS_VERSION, PREFIX, library
from upshot.events.store import Store, SyncStore, translate

NEWER = f"""#!lua name=upshot
redis.register_function{{function_name='upshot_version', flags={{'no-writes'}}, callback=function()
  return {FUNCTIONS_VERSION + 1}
end}}
"""


@pytest.mark.parametrize(
    ("raised", "meant"),
    [
        (ResponseError("CONFLICT run 1 is at version 2"), errors.Conflict),
        (ResponseError("STALE run 1 is at epoch 2"), errors.StaleEpoch),
        (ResponseError("ILLEGAL no"), errors.IllegalTransition),
        (ResponseError("MISSING no run"), errors.NotFound),
        (ResponseError("OOM command not allowed"), errors.StoreFull),
        (OutOfMemoryError("command not allowed"), errors.StoreFull),
        (ResponseError("MISCONF Errors writing to the AOF file"), errors.StoreFull),
        (ResponseError("BUSY a script is running"), errors.StoreUnavailable),
        (ResponseError("NOREPLICAS not enough good replicas"), errors.StoreUnavailable),
        (RedisConnectionError("refused"), errors.StoreUnavailable),
        (RedisTimeoutError("slow"), errors.StoreUnavailable),
        (BusyLoadingError("loading"), errors.StoreUnavailable),
        (ReadOnlyError("a replica"), errors.StoreUnavailable),
    ],
)
def test_each_answer_becomes_the_error_that_says_what_it_means(
    raised: RedisError, meant: type[errors.EventsError]
) -> None:
    assert type(translate(raised)) is meant


def test_an_answer_that_nobody_foresaw_is_neither_retried_nor_hidden() -> None:
    error = translate(ResponseError("ERR wrong number of arguments"))
    assert type(error) is errors.EventsError
    assert "wrong number" in str(error)


async def test_functions_that_got_lost_are_loaded_by_the_next_call(store: Store) -> None:
    await store.execute("FUNCTION", "FLUSH")
    assert await store.call("take_lease", "x", "me", 1000) == 1


def test_functions_that_got_lost_are_loaded_by_the_next_blocking_call(
    sync_store: SyncStore,
) -> None:
    sync_store.execute("FUNCTION", "FLUSH")
    assert sync_store.call("take_lease", "x", "me", 1000) == 1


async def test_a_store_that_a_newer_version_uses_is_left_alone(store: Store) -> None:
    await store.execute("FUNCTION", "LOAD", "REPLACE", NEWER)
    try:
        with pytest.raises(errors.StoreUnsuitable, match="newer Upshot"):
            await store.load_functions()
        with pytest.raises(errors.StoreUnsuitable, match="newer Upshot"):
            await store.call("take_lease", "x", "me", 1000)
    finally:
        await store.execute("FUNCTION", "LOAD", "REPLACE", library())


async def test_who_still_runs_when_a_newer_version_comes_calls_none_of_its_functions(
    store: Store,
) -> None:
    theirs = library().replace(PREFIX, "upshot99_")
    theirs = theirs.replace(f"return {FUNCTIONS_VERSION}\nend", "return 99\nend")
    assert await store.call("take_lease", "x", "me", 1000) == 1
    await store.execute("FUNCTION", "LOAD", "REPLACE", theirs)
    try:
        with pytest.raises(errors.StoreUnsuitable, match="functions 99, here"):
            await store.call("take_lease", "y", "me", 1000)
        assert not await store.execute("EXISTS", store.keys("lease", "y"))
    finally:
        await store.execute("FUNCTION", "LOAD", "REPLACE", library())


async def test_an_older_version_s_functions_are_replaced_by_the_first_call(store: Store) -> None:
    theirs = library().replace(PREFIX, "upshot_")
    theirs = theirs.replace(f"return {FUNCTIONS_VERSION}\nend", "return 1\nend")
    await store.execute("FUNCTION", "LOAD", "REPLACE", theirs)
    assert await store.call("take_lease", "x", "me", 1000) == 1
    assert await store.execute("FCALL_RO", "upshot_version", 0) == FUNCTIONS_VERSION


def test_blocking_callers_leave_a_newer_version_alone_too(sync_store: SyncStore) -> None:
    sync_store.execute("FUNCTION", "LOAD", "REPLACE", NEWER)
    try:
        with pytest.raises(errors.StoreUnsuitable, match="newer Upshot"):
            sync_store.load_functions()
    finally:
        sync_store.execute("FUNCTION", "LOAD", "REPLACE", library())


async def test_loading_functions_twice_is_harmless(store: Store) -> None:
    await store.load_functions()
    assert await store.execute("FCALL_RO", "upshot_version", 0) == FUNCTIONS_VERSION


async def test_a_store_that_is_not_there_is_said_to_be_unavailable(tmp_path: Path) -> None:
    gone = Store(f"unix://{tmp_path}/nothing.sock")
    for attempt in (
        gone.load_functions(),
        gone.call("version"),
        gone.execute("PING"),
        gone.pipeline([("PING",)]),
    ):
        with pytest.raises(errors.StoreUnavailable):
            await attempt
    await gone.close()


def test_a_store_that_is_not_there_is_unavailable_to_blocking_callers(tmp_path: Path) -> None:
    gone = SyncStore(f"unix://{tmp_path}/nothing.sock")
    with pytest.raises(errors.StoreUnavailable):
        gone.load_functions()
    with pytest.raises(errors.StoreUnavailable):
        gone.call("version")
    with pytest.raises(errors.StoreUnavailable):
        gone.pipeline([("PING",)])
    gone.close()


async def test_a_connection_works_again_once_the_server_is_back(tmp_path: Path) -> None:
    with EmbeddedStore(tmp_path) as server:
        store = Store(server.url)
        await store.load_functions()
        assert await store.call("take_lease", "x", "me", 60_000) == 1
        server.stop()
        with pytest.raises(errors.StoreUnavailable):
            await store.call("take_lease", "x", "me", 60_000)
        server.start()
        assert await store.call("take_lease", "x", "other", 60_000) == 0
        await store.close()


def test_however_long_the_server_is_away_blocking_callers_find_it_again(tmp_path: Path) -> None:
    with EmbeddedStore(tmp_path) as server:
        store = SyncStore(server.url)
        server.stop()
        for _ in range(250):
            with pytest.raises(errors.StoreUnavailable, match="No such file"):
                store.execute("PING")
        server.start()
        assert store.execute("PING") in (b"PONG", "PONG")
        store.close()


async def test_a_server_that_does_not_answer_in_time_is_unavailable(store: Store) -> None:
    hasty = Store(store.url, timeout=0.05)
    with pytest.raises(errors.StoreUnavailable, match=r"within 0\.05 seconds"):
        await hasty.execute("BLPOP", store.keys("nothing"), 5)
    await hasty.close()


async def test_the_late_answer_to_a_cancelled_call_reaches_nobody(store: Store) -> None:
    single = Store(store.url, connections=1)
    for turn in range(100):
        call = asyncio.create_task(single.execute("ECHO", "late"))
        for _ in range(turn % 8):
            await asyncio.sleep(0)
        call.cancel()
        outcome = (await asyncio.gather(call, return_exceptions=True))[0]
        assert outcome == b"late" or isinstance(outcome, asyncio.CancelledError)
        assert await single.execute("ECHO", f"{turn}") == f"{turn}".encode()
    await single.close()


async def test_a_refusal_among_several_answers_leaves_none_of_them_behind(store: Store) -> None:
    single, key = Store(store.url, connections=1), store.keys("refused")
    with pytest.raises(errors.EventsError, match="WRONGTYPE"):
        await single.pipeline([("SET", key, "x"), ("LPUSH", key, "y"), ("ECHO", "behind")])
    assert await single.execute("ECHO", "next") == b"next"
    await single.close()


async def test_calls_beyond_the_connections_wait_for_one(store: Store) -> None:
    few = Store(store.url, connections=2)
    waiting = [few.execute("BLPOP", few.keys("none"), 0.05) for _ in range(4)]
    await asyncio.gather(*waiting)
    clients = await store.execute("CLIENT", "LIST")
    assert clients.count(b"cmd=blpop") == 2
    await few.close()


async def test_a_service_can_be_cancelled_at_any_moment(store: Store) -> None:
    """Some ways to keep a timeout lose a cancellation that comes while a command is sent."""

    async def serve() -> None:
        while True:
            await store.execute("PING")

    for turn in range(200):
        service = asyncio.create_task(serve())
        for _ in range(turn % 25):
            await asyncio.sleep(0)
        service.cancel()
        done, _ = await asyncio.wait([service], timeout=5)
        assert done


async def test_a_pipeline_answers_in_order_and_fails_as_its_commands_do(store: Store) -> None:
    key = store.keys("meta")
    assert await store.pipeline([("HSET", key, "a", 1), ("HGET", key, "a")]) == [1, b"1"]
    assert await store.pipeline([]) == []
    with pytest.raises(errors.EventsError):
        await store.pipeline([("HGET", key, "a"), ("LPUSH", key, "wrong type")])


def test_blocking_pipelines_answer_in_order(sync_store: SyncStore) -> None:
    key = sync_store.keys("meta")
    assert sync_store.pipeline([("HSET", key, "a", 1), ("HGET", key, "a")]) == [1, b"1"]


def test_threads_share_a_blocking_store(sync_store: SyncStore) -> None:
    def add() -> None:
        for _ in range(50):
            sync_store.execute("HINCRBY", sync_store.keys("meta"), "n", 1)

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sync_store.execute("HGET", sync_store.keys("meta"), "n") == b"200"


def test_as_many_threads_as_there_are_can_wait_for_the_store(sync_store: SyncStore) -> None:
    many, queue, errors_met = 150, f"{sync_store.keys.root}:waited", []

    def wait() -> None:
        try:
            sync_store.execute("BLPOP", queue, 0)
        except errors.StoreUnavailable as error:
            errors_met.append(error)

    threads = [threading.Thread(target=wait) for _ in range(many)]
    for thread in threads:
        thread.start()
    teller = SyncStore(sync_store.url)
    teller.execute("RPUSH", queue, *range(many))
    for thread in threads:
        thread.join()
    teller.close()
    assert errors_met == []


def test_a_fork_does_not_talk_on_its_parents_connection(store_url: str) -> None:
    store = SyncStore(store_url)
    mine = store.execute("CLIENT", "ID")
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(writing, str(store.execute("CLIENT", "ID")).encode())
        os._exit(0)
    os.waitpid(pid, 0)
    assert int(os.read(reading, 100)) != mine
    assert store.execute("CLIENT", "ID") == mine
    store.close()


def test_an_answer_that_nobody_waited_for_reaches_nobody(store_url: str) -> None:
    class Stopped(BaseException):
        """As what stops a thread from outside."""

    def stop(*_: object) -> None:
        raise Stopped

    store = SyncStore(store_url)
    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    with pytest.raises(Stopped):
        store.execute("BLPOP", "never", 1)
    signal.signal(signal.SIGALRM, before)
    assert store.execute("ECHO", "mine") == b"mine"
    store.close()


def test_a_connection_that_the_server_closed_is_made_anew(store_url: str) -> None:
    store, other = SyncStore(store_url), SyncStore(store_url)
    number = store.execute("CLIENT", "ID")
    other.execute("CLIENT", "KILL", "ID", number)
    time.sleep(UNUSED)
    assert store.execute("CLIENT", "ID") != number
    store.close()
    other.close()
