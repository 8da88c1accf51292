"""What tests of every room share: one real embedded server, emptied before each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from redis import Redis

from upshot.events.embedded import EmbeddedStore


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStore]:
    """Run one server for the whole session (one for each process of pytest-xdist)."""
    with EmbeddedStore(tmp_path_factory.mktemp("embedded")) as store:
        yield store


@pytest.fixture
def store_url(embedded: EmbeddedStore) -> str:
    """Return the address of the session's server, with nothing in it."""
    embedded.start()  # a test may have ended it
    with Redis.from_url(embedded.url) as client:
        client.flushall()
    return embedded.url
