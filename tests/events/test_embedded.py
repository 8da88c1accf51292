"""The embedded store with real servers and real processes: it keeps, it locks, it ends."""

from __future__ import annotations

import os
import resource
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry

from tests.waiting import eventually
from upshot.events.data_folder import DataFolder, StoreRecord
from upshot.events.embedded import EmbeddedStore, find_running
from upshot.events.exceptions import DataFolderLocked, StoreUnavailable, StoreUnsuitable
from upshot.events.processes import is_alive

OWNER = """
import sys, threading, time
from upshot.events.embedded import EmbeddedStore
store = EmbeddedStore(sys.argv[1])
starter = threading.Thread(target=store.start)
starter.start()
starter.join()
print(store.pid, store.url, flush=True)
time.sleep(600)
"""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedStore]:
    with EmbeddedStore(tmp_path / "data") as started:
        yield started


@pytest.fixture
def owner(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Run another process that owns a store, started from a thread that has ended since."""
    command = [sys.executable, "-c", OWNER, str(tmp_path / "data")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def said_by(owner: subprocess.Popen[str]) -> tuple[int, str]:
    assert owner.stdout is not None
    pid, url = owner.stdout.readline().split()
    return int(pid), url


def gone(pid: int) -> bool:
    """Tell whether a process ended, be it that nobody asked for its end yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return not is_alive(pid)


def kill_server(store: EmbeddedStore) -> None:
    assert store.pid is not None
    os.kill(store.pid, signal.SIGKILL)
    assert store.wait(30) == -signal.SIGKILL


def values(store: EmbeddedStore, key: str = "log") -> list[bytes]:
    with Redis.from_url(store.url) as client:
        return [fields[b"n"] for _, fields in client.xrange(key)]


def write(store: EmbeddedStore, count: int) -> None:
    with Redis.from_url(store.url) as client:
        for number in range(count):
            client.xadd("log", {"n": number})


def write_until_it_ends(store: EmbeddedStore) -> int:
    """Return how many writes were acknowledged; none is sent twice."""
    acknowledged = 0
    with Redis.from_url(store.url, retry=Retry(NoBackoff(), 0)) as client:
        while True:
            try:
                client.xadd("log", {"n": acknowledged, "filler": "x" * 999})
            except RedisConnectionError:
                return acknowledged
            acknowledged += 1


def test_a_started_store_serves_at_its_address(store: EmbeddedStore) -> None:
    with Redis.from_url(store.url) as client:
        assert client.ping()


def test_every_promise_of_the_settings_holds_in_the_server(store: EmbeddedStore) -> None:
    with Redis.from_url(store.url, decode_responses=True) as client:
        config = client.config_get("*")
    expected = {
        "appendonly": "yes",
        "appendfsync": "always",
        "maxmemory-policy": "noeviction",
        "save": "",
        "port": "0",
        "aof-load-truncated": "yes",
    }
    assert {name: config[name] for name in expected} == expected


def test_a_memory_limit_reaches_the_server(tmp_path: Path) -> None:
    with (
        EmbeddedStore(tmp_path, maxmemory=64_000_000) as store,
        Redis.from_url(store.url) as client,
    ):
        assert client.info("memory")["maxmemory"] == 64_000_000


def test_nobody_but_its_user_may_touch_the_store(store: EmbeddedStore, tmp_path: Path) -> None:
    write(store, 1)
    folder = tmp_path / "data" / "store"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "valkey.sock").stat().st_mode) == 0o600
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) >= 4
    assert [path for path in files if path.stat().st_mode & 0o077] == []


def test_the_server_is_in_a_session_of_its_own(store: EmbeddedStore) -> None:
    assert store.pid is not None
    assert os.getsid(store.pid) == store.pid


def test_starting_twice_keeps_the_server(store: EmbeddedStore) -> None:
    before = store.pid
    store.start()
    assert store.pid == before


def test_a_second_store_is_refused_with_folder_and_process(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    second = EmbeddedStore(tmp_path / "data")
    with pytest.raises(DataFolderLocked) as refusal:
        second.start()
    for part in (str(tmp_path / "data"), str(os.getpid()), str(store.pid), "--data-dir"):
        assert part in str(refusal.value)
    second.stop()
    assert find_running(tmp_path / "data") == store.url


def test_another_process_is_refused_too(owner: subprocess.Popen[str], tmp_path: Path) -> None:
    server, _ = said_by(owner)
    with pytest.raises(DataFolderLocked, match=rf"process {owner.pid} .*{server}"):
        EmbeddedStore(tmp_path / "data").start()


def test_a_store_that_lost_its_folder_to_another_leaves_that_one_alone(tmp_path: Path) -> None:
    first, second = EmbeddedStore(tmp_path), EmbeddedStore(tmp_path)
    first.start()
    kill_server(first)
    with second:
        first.stop()
        assert find_running(tmp_path) == second.url


def test_a_killed_server_comes_back_with_all_it_acknowledged(store: EmbeddedStore) -> None:
    for round_ in range(1, 4):
        write(store, 50)
        kill_server(store)
        assert not store.alive()
        store.start()
        assert len(values(store)) == 50 * round_


def test_a_file_cut_within_its_last_write_loads(store: EmbeddedStore, tmp_path: Path) -> None:
    write(store, 20)
    kill_server(store)
    (log,) = (tmp_path / "data" / "store" / "appendonlydir").glob("*.incr.aof")
    os.truncate(log, log.stat().st_size - 5)
    store.start()
    assert len(values(store)) == 19


def test_a_server_that_may_not_write_any_more_ends_and_comes_back(tmp_path: Path) -> None:
    """A limit on the size of files does to the server what a full disk does."""
    store = EmbeddedStore(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        store.start()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    acknowledged = write_until_it_ends(store)
    assert store.wait(30) == 1
    with store:
        kept = values(store)
        write(store, 1)
    assert acknowledged > 50
    assert kept[:acknowledged] == [str(number).encode() for number in range(acknowledged)]
    assert len(kept) - acknowledged in (0, 1)


def test_the_server_ends_when_its_owner_is_killed(
    owner: subprocess.Popen[str], tmp_path: Path
) -> None:
    server, url = said_by(owner)
    with Redis.from_url(url) as client:
        client.xadd("log", {"n": 7})
    owner.kill()
    eventually(lambda: gone(server))
    with EmbeddedStore(tmp_path / "data") as store:
        assert values(store) == [b"7"]


def test_a_store_is_found_while_it_runs_and_only_then(tmp_path: Path) -> None:
    assert find_running(tmp_path) is None
    with EmbeddedStore(tmp_path) as store:
        assert find_running(tmp_path) == store.url
        kill_server(store)
        assert find_running(tmp_path) is None
    assert find_running(tmp_path) is None


@pytest.mark.parametrize("rubbish", [b"", b"{", b'{"owner": 0, "socket": "x"}'])
def test_an_illegible_record_hides_no_start(tmp_path: Path, rubbish: bytes) -> None:
    folder = DataFolder(tmp_path)
    folder.prepare()
    (folder.path / "store.json").write_bytes(rubbish)
    assert find_running(tmp_path) is None
    with EmbeddedStore(tmp_path) as store:
        assert find_running(tmp_path) == store.url


def test_a_long_path_gets_its_socket_elsewhere_and_tidied_up(tmp_path: Path) -> None:
    deep = tmp_path / ("long" * 30) / "a b?c#d%20é"
    with EmbeddedStore(deep) as store:
        record = DataFolder(deep).read_record()
        assert record is not None
        assert len(record.socket) <= 100
        assert stat.S_IMODE(Path(record.socket).parent.stat().st_mode) == 0o700
        write(store, 3)
        kill_server(store)
        store.start()
        assert len(values(store)) == 3
        assert DataFolder(deep).read_record() == record.model_copy(update={"server": store.pid})
    assert not Path(record.socket).parent.exists()
    assert find_running(deep) is None


def test_a_path_with_any_characters_makes_a_legible_address(tmp_path: Path) -> None:
    with EmbeddedStore(tmp_path / "a b?#%20é'\"") as store:
        write(store, 2)
        assert len(values(store)) == 2


def test_a_start_that_fails_says_what_the_log_says(store: EmbeddedStore, tmp_path: Path) -> None:
    write(store, 20)
    store.stop()
    (log,) = (tmp_path / "data" / "store" / "appendonlydir").glob("*.incr.aof")
    log.write_bytes(b"rubbish" + log.read_bytes())
    with pytest.raises(StoreUnavailable, match=r"ended with 1 .*(?s:.*)Bad file format"):
        store.start()
    assert not store.alive()


def test_a_data_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnsuitable, match="file is not a folder"):
        EmbeddedStore(tmp_path / "file").start()


def test_a_server_that_does_not_end_when_asked_is_killed(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path)
    store.start()
    server = store.pid
    assert server is not None
    os.kill(server, signal.SIGSTOP)
    store.stop(timeout=0.05)
    assert gone(server)
    assert find_running(tmp_path) is None


def test_a_store_that_was_not_started_has_no_address(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path)
    assert store.pid is None
    assert store.wait() is None
    with pytest.raises(StoreUnavailable, match="was not started"):
        _ = store.url


def test_a_record_keeps_its_address_through_its_file(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    folder.prepare()
    record = StoreRecord(owner=1, server=2, socket="/a b/ü.sock")
    folder.write_record(record)
    assert folder.read_record() == record
    assert record.url == "unix:///a%20b/%C3%BC.sock"
