"""Upshot's own log: one line for each thing, with what is bound, whoever wrote it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

PROGRAM = """
import logging, sys, structlog
from upshot.events.settings import Settings
from upshot.services.logs import configure

configure(Settings(log_format=sys.argv[1], log_level="info", data_dir="/nonexistent"), "api")
structlog.contextvars.bind_contextvars(run="r1")
structlog.get_logger("ours").info("ours", event_id="e1")
logging.getLogger("uvicorn.error").warning("theirs %s", 1)
logging.getLogger("uvicorn.access").info("a request")
structlog.get_logger().debug("not this")
try:
    1 / 0
except ZeroDivisionError:
    structlog.get_logger().exception("broke")
"""


def lines(form: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, form], capture_output=True, text=True, check=True
    )
    assert done.stdout == ""
    return done.stderr.splitlines()


@pytest.mark.parametrize("form", ["json", "auto"])
def test_each_line_is_json_with_what_is_bound(form: str) -> None:
    ours, theirs, broke = map(json.loads, lines(form))
    assert (ours["event"], ours["run"], ours["event_id"]) == ("ours", "r1", "e1")
    assert (ours["service"], ours["level"]) == ("api", "info")
    assert ours["timestamp"].endswith("Z")
    assert (theirs["event"], theirs["level"], theirs["run"]) == ("theirs 1", "warning", "r1")
    assert "ZeroDivisionError" in broke["exception"]


def test_people_get_lines_without_json() -> None:
    text = "\n".join(lines("console"))
    for expected in ("ours", "run=r1", "theirs 1", "ZeroDivisionError"):
        assert expected in text
    assert "{" not in text
    assert "not this" not in text
    assert "a request" not in text
