"""What tests of services share."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def flows(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return a file with the flows that the test's module writes down as ``FLOWS``."""
    file = tmp_path / "made.py"
    file.write_text(request.module.FLOWS)
    return file
