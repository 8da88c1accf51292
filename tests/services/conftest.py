"""What tests of services share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from upshot.events.embedded import EmbeddedStore
from upshot.events.keys import WORKERS
from upshot.events.store import Store

from . import api_served
from .running import scheduler, worker
from .taking import Taking


@pytest.fixture
def flows(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return a file with the flows that the test's module writes down as ``FLOWS``."""
    file = tmp_path / "made.py"
    file.write_text(request.module.FLOWS)
    return file


@pytest.fixture
async def api(store_url: str) -> AsyncIterator[api_served.Api]:
    """Serve the API on a store that has nothing."""
    async with api_served.served(store_url) as running:
        yield running


@pytest.fixture
async def taking(store: Store) -> Taking:
    key = store.keys("queue", "default")
    await store.execute("XGROUP", "CREATE", key, WORKERS, "0", "MKSTREAM")
    return Taking(store)


@pytest.fixture(scope="session")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run a store, a worker and a scheduler for the tests that end none of them."""
    folder = tmp_path_factory.mktemp("serving")
    with EmbeddedStore(folder) as own, worker(own.url), scheduler(own.url):
        yield own.url


@pytest.fixture
async def served(serving: str) -> AsyncIterator[Store]:
    store = Store(serving)
    yield store
    await store.close()
