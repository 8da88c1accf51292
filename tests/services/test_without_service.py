"""Programs that run flows where no service is: what they did can be looked at afterwards."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from upshot.services.cli.app import FAILED, run

PROGRAM = """
import sys, time
from pathlib import Path
from upshot import flow, task

@task
def double(number):
    return 2 * number

@flow(log_prints=True)
def doubled(until=None):
    print("sum", sum(double.map([1, 2, 3]).result()))
    if until:
        Path(until + ".begun").touch()
        while not Path(until).exists():
            time.sleep(0.01)

if __name__ == "__main__":
    doubled(*sys.argv[1:])
"""


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no setting of others lead to a service."""
    for name in [name for name in os.environ if name.startswith("UPSHOT_")]:
        monkeypatch.delenv(name)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "program.py").write_text(PROGRAM)


@contextmanager
def program(*arguments: str, **variables: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "program.py", *arguments],
        env={**os.environ, **variables}, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.kill()


def told(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Wait for its end; return its run's name, and the folder that it says to look at."""
    _, said = process.communicate(timeout=60)
    folder = re.search(r"To look at what ran: UPSHOT_DATA_DIR=(\S+) upshot run ls\n$", said)
    name = re.search(r"flow run (\S+) of doubled is Running", said)
    assert folder, said
    assert name, said
    return name[1], folder[1]


def looked(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> dict[str, tuple[str, str]]:
    """Return by name the states, with their messages, of the runs that are found there."""
    monkeypatch.setenv("UPSHOT_DATA_DIR", str(folder))
    assert run(["run", "ls", "--output", "json"]) == 0
    states = [(each["name"], each["state"]) for each in json.loads(capsys.readouterr().out)]
    return {name: (state["name"], state["message"]) for name, state in states}


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} never came"
        time.sleep(0.01)


def test_a_run_can_be_looked_at_when_its_program_is_over_and_not_be_changed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with program() as process:
        name, folder = told(process)

    monkeypatch.setenv("UPSHOT_DATA_DIR", folder)
    assert run(["run", "logs", name]) == 0
    assert "sum 12" in capsys.readouterr().out
    assert run(["run", "cancel", name]) == FAILED
    assert "can only be looked at" in capsys.readouterr().err


def test_the_command_that_shows_what_ran_does_so_where_another_service_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("UPSHOT_URL", "http://127.0.0.1:1")
    with program() as process:
        _, said = process.communicate(timeout=60)
    command = said.rpartition("To look at what ran: ")[2].strip()
    assert command.endswith(" upshot run ls")
    asked = (
        command.removesuffix("upshot run ls") + f"{sys.executable} -m upshot.services.cli run ls"
    )
    shown = subprocess.run(["sh", "-c", asked], capture_output=True, text=True, check=False)
    assert "doubled" in shown.stdout, shown.stderr


def test_two_programs_at_once_keep_a_store_each_and_one_can_be_watched(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen, over = tmp_path / "kept", tmp_path / "over"
    with program(str(over), UPSHOT_DATA_DIR=str(chosen)) as first:
        wait_for(tmp_path / "over.begun")
        with program(UPSHOT_DATA_DIR=str(chosen)) as second:
            _, other = told(second)
        meanwhile = looked(chosen, capsys, monkeypatch)
        over.touch()
        name, folder = told(first)

    assert folder == str(chosen)
    assert other.startswith(str(tmp_path / "temporary"))
    assert meanwhile == {name: ("Running", "")}
    assert looked(chosen, capsys, monkeypatch) == {name: ("Completed", "")}


def test_the_run_of_a_killed_program_has_crashed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = tmp_path / "kept"
    with program(str(tmp_path / "over"), UPSHOT_DATA_DIR=str(chosen)) as process:
        wait_for(tmp_path / "over.begun")
        process.kill()
        process.wait()

    found = looked(chosen, capsys, monkeypatch)
    assert list(found.values()) == [("Crashed", "its program is gone")]
