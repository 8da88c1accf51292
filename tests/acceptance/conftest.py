"""A whole service for these tests: `upshot up` on a free port, with the examples applied."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from upshot.services.demo.stage import Stage


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Run the service, a mail server and an HTTP receiver for as long as tests run."""
    with Stage(tmp_path_factory.mktemp("stage")) as stage:
        stage.service.start()
        stage.apply_examples()
        yield stage
