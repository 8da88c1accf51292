"""The real service, a process of its own on a free loopback port."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.peers.processes import free_port, running, wait_for


def _ready_address(log: Path, process: subprocess.Popen[bytes]) -> str | None:
    text = log.read_text(errors="replace")
    if process.poll() is not None:
        pytest.fail(f"`upshot up` ended with {process.returncode}:\n{text}")
    found = re.search(r"ready (http://\S+)", text)
    return found[1] if found else None


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The whole service on an embedded store of its own; gives its address."""
    folder = tmp_path_factory.mktemp("service")
    log = folder / "up.log"
    upshot = str(Path(sys.executable).with_name("upshot"))
    where = ("--data-dir", str(folder / "data"), "--port", str(free_port()))
    with running(log, upshot, "up", *where) as process:
        yield wait_for("the service to be ready", lambda: _ready_address(log, process))
