"""The survey of the examples: the same on a cluster's processes as in threads, by one argument."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import sysconfig
from contextlib import closing
from pathlib import Path

import pytest

from upshot.events.embedded import EmbeddedStore
from upshot.events.store import SyncStore

PROGRAM = Path(__file__).parents[2] / "examples" / "dask" / "survey.py"
FOLDER = Path(sysconfig.get_path("stdlib")) / "asyncio"


def _surveyed(on: str) -> list[tuple[str, str, str]]:
    done = subprocess.run(
        [sys.executable, str(PROGRAM), "--on", on, str(FOLDER)],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    return re.findall(r"(\d+) lines: (\w+) in (\S+)", done.stdout + done.stderr)


def test_the_survey_finds_the_same_on_a_cluster_as_in_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with EmbeddedStore(tmp_path) as embedded, closing(SyncStore(embedded.url)) as store:
        monkeypatch.setenv("UPSHOT_REDIS_URL", embedded.url)
        monkeypatch.setenv("UPSHOT_DATA_DIR", str(tmp_path))
        on_cluster = _surveyed("dask")
        (run,) = store.execute("ZRANGE", store.keys("runs", "Completed"), 0, -1)
        records = store.execute("HVALS", store.keys("tasks", run.decode()))
        in_threads = _surveyed("threads")

    assert on_cluster == in_threads
    assert len(on_cluster) == 5
    told = [json.loads(record.partition(b" ")[2]) for record in records]
    assert {each["state"]["name"] for each in told} == {"Completed"}
    assert {each["task"] for each in told} == {"measure", "longest"}
