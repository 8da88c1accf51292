"""Kept results that are not what was written: never taken for it, computed again, or said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from upshot import INPUTS, flow, task, transaction
from upshot.flows.exceptions import ResultDamaged, TransactionFailed
from upshot.flows.results.formats import Kept, ResultFiles

from .conftest import Processes, Seen

SIZE = 100_000
OTHER = json.dumps("y" * SIZE).encode()


def results(folder: Path, kind: str) -> Path:
    """Return the one file that lies in a folder of results."""
    (path,) = (folder / "data" / "results").glob(f"{kind}/*")
    return path


@pytest.mark.parametrize("body", [OTHER, b'"x"', b"", b'{"half'])
def test_another_body_than_was_written_is_refused(tmp_path: Path, body: bytes) -> None:
    files, kept = ResultFiles(str(tmp_path)), Kept("json", b'"xxx"')
    path = files.path("run", "a.json")
    files.write(path, kept.body)
    assert files.read("json", path, kept.digest) == kept
    Path(path).write_bytes(body)
    with pytest.raises(ResultDamaged, match=r"a\.json is not what was written there"):
        files.read("json", path, kept.digest)
    assert files.read("json", path, None).body == body  # one of an older version


def test_a_cached_result_that_is_another_one_is_computed_again_and_said(
    seen: Seen, tmp_path: Path
) -> None:
    ran: list[int] = []

    @task(cache_policy=INPUTS)
    def large(n: int) -> str:
        ran.append(n)
        return "x" * SIZE

    @flow
    def f() -> str:
        return large(1)[0]

    assert (f(), f(), ran) == ("x", "x", [1])
    results(tmp_path, "cache").write_bytes(OTHER)
    assert (f(), ran) == ("x", [1, 1])
    (said,) = [line for line in seen.logs(seen.runs()[-1].id) if line["level"] == "warning"]
    assert "large-0 runs: what is cached can't be used: ResultDamaged: " in said["message"]
    assert (f(), ran) == ("x", [1, 1])  # what was computed again counts from then on


RETRIED = """
from pathlib import Path
from upshot import flow, task
here = Path(__file__).parent

@task
def large() -> str:
    with open(here / "bodies", "a") as file:
        file.write("x")
    return "x" * 100_000

@flow
def part() -> str:
    return "p" * 300_000

@task
def fails() -> None:
    if not (here / "go").exists():
        raise ValueError("not yet")

@flow
def f() -> str:
    text = large()[0] + part()[0]
    fails()
    return text
"""


def test_a_checkpoint_that_is_another_result_is_made_again(
    processes: Processes, tmp_path: Path
) -> None:
    run, _ = processes.execute(processes.module(RETRIED) + ":f")
    assert run.state.name == "Failed"
    for path in (tmp_path / "data" / "results").glob("*/*"):
        path.write_bytes(OTHER)
    (tmp_path / "go").touch()
    assert processes.retry(run.id).result == "xp"
    assert (tmp_path / "bodies").read_text() == "xx"
    messages = " ".join(processes.seen.messages(run.id))
    assert messages.count("is not what was written there") == 2


def test_what_a_committed_key_gave_is_an_error_where_it_is_another_result(
    seen: Seen, tmp_path: Path
) -> None:
    ran: list[Any] = []

    @task
    def large() -> str:
        ran.append(1)
        return "x" * SIZE

    @flow
    def f() -> str:
        with transaction(key="once"):
            return large()[0]

    assert (f(), f(), ran) == ("x", "x", [1])
    results(tmp_path, "transactions").write_bytes(OTHER)
    expected = (
        r"'once' is committed, and what it returned can't be used: ResultDamaged: .+/transactions/"
    )
    with pytest.raises(TransactionFailed, match=expected):
        f()
    assert ran == [1]
