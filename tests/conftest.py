"""What tests of every room share: one real embedded server, emptied before each test."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pytest
from redis import Redis

from upshot.events.embedded import EmbeddedStore
from upshot.events.store import Store, SyncStore

MEMORY: Final = Path("/dev/shm")
ROOM: Final = 2**30
OF_A_MODULE, OF_ALL = "service", frozenset({"serving", "stage"})
"""Fixtures that start whole services."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have pytest-xdist run tests of the same services in one process: they are started once."""
    for item in items:
        shared = set(getattr(item, "fixturenames", ()))
        groups = OF_ALL & shared or ({item.path.stem} if OF_A_MODULE in shared else ())
        for group in groups:
            item.add_marker(pytest.mark.xdist_group(group))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Make what a test logged legible: pytest-xdist dies of text that is not Unicode."""
    report = yield
    report.sections = [
        (name, text.encode("utf-8", "replace").decode()) for name, text in report.sections
    ]
    return report


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStore]:
    """Run one server for the whole session (one for each process of pytest-xdist).

    It syncs each write as always, but where that can be to memory nobody waits for a disk: what the
    kernel has is there after any kill of the server.
    """
    roomy = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM
    place = MEMORY if roomy else tmp_path_factory.getbasetemp()
    with TemporaryDirectory(dir=place, prefix="upshot-") as folder, EmbeddedStore(folder) as store:
        yield store


@pytest.fixture
def store_url(embedded: EmbeddedStore) -> str:
    """Return the address of the session's server, with nothing in it."""
    embedded.start()  # a test may have ended it
    with Redis.from_url(embedded.url) as client:
        client.flushall()
    return embedded.url


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    """Return the store for services, with its functions loaded."""
    opened = Store(store_url)
    await opened.load_functions()
    yield opened
    await opened.close()


@pytest.fixture
def sync_store(store_url: str) -> Iterator[SyncStore]:
    """Return the store for plain code, with its functions loaded."""
    opened = SyncStore(store_url)
    opened.load_functions()
    yield opened
    opened.close()
