"""Logs of runs: whatever a flow's code logs with lands there, bounded; a flood stops nothing."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import to_json

from upshot import flow, get_run_logger, task
from upshot.events.settings import WrongSetting, load_settings
from upshot.flows.exceptions import OutsideRun
from upshot.flows.logs.flood import Allowance, Rate
from upshot.flows.logs.tracebacks import ShortTracebacks
from upshot.flows.states import legible

from .conftest import ROOT, Processes, Seen

KEPT_LINES = 20_000
KEPT_BYTES = 16 * 1024 * 1024


def test_a_line_tells_its_level_logger_and_task_run(seen: Seen) -> None:
    @task
    def work() -> None:
        get_run_logger().warning("from the task")
        logging.getLogger("my.library").error("from a library")

    @flow
    def f() -> None:
        work()
        get_run_logger().info("from the flow")

    f()
    first, second, third = seen.logs()
    assert (first["level"], first["message"]) == ("warning", "from the task")
    assert (first["task"], first["task_run"]) == ("work-0", seen.tasks()["work-0"]["id"])
    assert (second["logger"], second["level"]) == ("my.library", "error")
    assert (third["task"], third["task_run"]) == (None, None)


def test_structlog_lands_in_the_log_when_nobody_set_it_up(processes: Processes) -> None:
    path = processes.module(
        """
        import structlog
        from upshot import flow, task

        log = structlog.get_logger()

        @task
        def work():
            structlog.contextvars.bind_contextvars(shop="a")
            log.bind(day=3).warning("few orders", count=2)
            log.debug("not this")
            try:
                1 / 0
            except ZeroDivisionError:
                log.exception("it broke")

        @flow
        def f(): work()
        """
    )
    processes.execute(f"{path}:f")
    first, second = processes.seen.logs()
    assert first["message"] == "few orders day=3 count=2 shop='a'"
    assert (first["level"], first["task"]) == ("warning", "work-0")
    assert second["level"] == "error"
    assert "ZeroDivisionError" in second["message"]


PROGRAM = """
import structlog, sys
from upshot import flow

if sys.argv[1] == "own":
    structlog.configure(processors=[structlog.processors.JSONRenderer()])

@flow(log_prints=True)
def f():
    structlog.get_logger().info("within", n=1)

f()
structlog.get_logger().info("after")
print(structlog.is_configured())
"""


@pytest.mark.parametrize(
    ("whose", "message", "last"),
    [("own", '{"n": 1, "event": "within"}', "True"), ("none", "within n=1", "False")],
)
def test_the_users_own_structlog_is_left_alone(
    seen: Seen, tmp_path: Path, whose: str, message: str, last: str
) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    done = subprocess.run(
        [sys.executable, program, whose], capture_output=True, text=True, check=True,
        env={**__import__("os").environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert seen.messages() == [message]
    assert done.stdout.splitlines()[-1] == last
    assert "after" in done.stdout


def test_extra_loggers_are_listened_to(seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPSHOT_EXTRA_LOGGERS", "quiet.one, chatty.one:debug")
    quiet, chatty = logging.getLogger("quiet.one"), logging.getLogger("chatty.one")
    monkeypatch.setattr(quiet, "propagate", False)

    @flow
    def f() -> None:
        quiet.warning("heard")
        chatty.debug("this too")

    f()
    assert seen.messages() == ["heard", "this too"]
    assert quiet.handlers == []
    assert chatty.level == logging.NOTSET


def test_a_level_that_does_not_exist_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPSHOT_EXTRA_LOGGERS", "dask:loud")
    with pytest.raises(WrongSetting, match=r"extra_loggers.*'loud' is no level"):
        load_settings()


def write(seen: Seen, run_id: str, batch: int, lines: list[bytes]) -> None:
    """Write log lines as a flow process does."""
    arguments: list[Any] = []
    for line in lines:
        arguments += ["", "log", b"", line]
    epoch = seen.run(run_id).epoch
    assert seen.store.call("record_tasks", run_id, epoch, batch, *arguments) == len(lines)


def sizes(seen: Seen, run_id: str) -> list[int]:
    entries = seen.store.execute("XRANGE", seen.store.keys("logs", run_id), "-", "+")
    return [len(entry[1][1]) for entry in entries]


def test_a_runs_log_is_bounded_by_lines_and_by_bytes(processes: Processes) -> None:
    seen = processes.seen
    run = processes.take(processes.create("x.py:f").id)
    short = [to_json({"message": "x", "n": n}) for n in range(1000)]
    for batch in range(25):
        write(seen, run.id, batch + 1, short)
    kept = sizes(seen, run.id)
    assert KEPT_LINES * 7 / 8 - 100 <= len(kept) <= KEPT_LINES
    long = [b"x" * 16_000] * 200
    for batch in range(10):
        write(seen, run.id, batch + 100, long)
    kept = sizes(seen, run.id)
    assert KEPT_BYTES * 7 / 8 - 2_000_000 <= sum(kept) <= KEPT_BYTES
    key = seen.store.keys("run", run.id)
    counted, dropped = seen.store.execute("HMGET", key, "log_bytes", "log_dropped")
    assert int(counted) == sum(kept)
    assert int(dropped) == 25_000 + 2_000 - len(kept)


def test_a_flood_is_cut_off_and_says_so(seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("upshot.flows.logs.capturing.ORDINARY", Rate(500, 1))

    @task
    def flood() -> None:
        log = get_run_logger()
        for number in range(3000):
            log.info("line %d", number)
        log.error("still heard")

    @flow
    def f() -> None:
        flood()

    f()
    messages = seen.messages()
    assert messages[:500] == [f"line {number}" for number in range(500)]
    assert "still heard" in messages
    told = [m for m in messages if m.endswith("lines are not kept: too much was logged at once")]
    dropped = sum(int(message.split()[0].replace(",", "")) for message in told)
    assert dropped + len(messages) - len(told) == 3001
    assert seen.tasks()["flood-0"]["state"]["name"] == "Completed"


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(0, 5_000)), max_size=200))
def test_no_more_is_admitted_than_the_rate_allows(lines: list[tuple[float, int]]) -> None:
    rate, now = Rate(10, 2), 0.0
    room, admitted, dropped = Allowance(rate, now), 0, 0
    for pause, size in lines:
        now += pause
        if room.admits(now):
            admitted += 1
            dropped += room.spend(size)
    assert admitted <= rate.burst + rate.per_second * now + 1
    assert admitted + dropped + room.dropped() == len(lines)


def test_logs_and_prints_go_to_the_run_in_order(seen: Seen) -> None:
    @task
    def work() -> None:
        print("in", "task", sep="-")
        get_run_logger().warning("careful %d", 1)

    @task(log_prints=False)
    def quiet() -> None:
        print("not for the log")

    @flow(log_prints=True)
    def f() -> None:
        print("in flow")
        logging.getLogger("mine").error("from a library: %s", "\ud800")
        work()
        quiet()
        get_run_logger().info("x" * 20_000)

    f()
    lines = seen.logs()
    assert [line["message"] for line in lines[:4]] == [
        "in flow", "from a library: ?", "in-task", "careful 1",
    ]  # fmt: skip
    assert [(line["level"], line["task"]) for line in lines[1:4]] == [
        ("error", None), ("info", "work-0"), ("warning", "work-0"),
    ]  # fmt: skip
    assert lines[1]["logger"] == "mine"
    assert lines[4]["message"].endswith("(3,616 characters more)")
    assert len(lines) == 5


def test_prints_outside_of_runs_are_plain_prints(
    seen: Seen, capsys: pytest.CaptureFixture[str]
) -> None:
    @flow
    def f() -> None:
        print("shown")

    f()
    print("after")
    assert capsys.readouterr().out == "shown\nafter\n"
    with pytest.raises(OutsideRun):
        get_run_logger()


def _traceback(call: Callable[[], object]) -> str:
    try:
        call()
    except Exception:  # noqa: BLE001 - each call raises its own
        return ShortTracebacks().formatException(sys.exc_info())
    raise AssertionError("nothing was raised")


def test_a_traceback_shows_the_users_lines_and_not_the_way_between_them(seen: Seen) -> None:
    @task
    def divide(by: int) -> float:
        return 1 / by

    @flow
    def whole() -> float:
        return divide(0)

    told = _traceback(whole)
    assert "return divide(0)" in told
    assert "return 1 / by" in told
    assert "taskcall.py" not in told


def test_an_error_in_the_way_itself_keeps_its_lines() -> None:
    told = _traceback(lambda: legible(None))  # type: ignore[arg-type]
    assert "states.py" in told


def test_an_error_that_says_it_all_needs_no_lines_of_the_room(seen: Seen) -> None:
    @flow
    def typed(n: int) -> None: ...

    told = _traceback(lambda: typed("many"))  # type: ignore[call-overload]
    assert "InvalidParameters: n: Input should be a valid integer" in told
    assert "parameters.py" not in told
