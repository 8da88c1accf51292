"""What tests of services share."""

from __future__ import annotations

from pathlib import Path

import pytest

from upshot.events.keys import WORKERS
from upshot.events.store import Store

from .taking import Taking


@pytest.fixture
def flows(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return a file with the flows that the test's module writes down as ``FLOWS``."""
    file = tmp_path / "made.py"
    file.write_text(request.module.FLOWS)
    return file


@pytest.fixture
async def taking(store: Store) -> Taking:
    key = store.keys("queue", "default")
    await store.execute("XGROUP", "CREATE", key, WORKERS, "0", "MKSTREAM")
    return Taking(store)
