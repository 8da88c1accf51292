"""Users who come from Prefect find what they know: each documented behaviour has its outcome."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest

from .conftest import Seen

IMPORTS = """
import asyncio
import time
from datetime import datetime
from pydantic import BaseModel
from upshot import (
    INPUTS, RUN_ID, Completed, Failed, ThreadPoolTaskRunner, task_input_hash, transaction,
    allow_failure, as_completed, exponential_backoff, flow,
    get_run_logger, quote, runtime, tags, task, unmapped, wait,
)
"""
PAGE = Path(__file__).with_name("prefect_table.md").read_text()
ROW = re.compile(
    r"^### (.+?)\n\n```python\n(.*?)^```\n\nOutcome: `(.*?)`$", re.DOTALL | re.MULTILINE
)
TABLE = ROW.findall(PAGE)


def test_every_row_is_read_and_none_is_there_twice() -> None:
    whats = [what for what, _, _ in TABLE]
    assert len(whats) == len(set(whats)) == PAGE.count("\n### ") >= 60


@pytest.mark.parametrize(("what", "program", "outcome"), TABLE, ids=[row[0] for row in TABLE])
def test_it_is_as_documented(seen: Seen, what: str, program: str, outcome: str) -> None:
    names: dict[str, Any] = {"__name__": "program"}
    exec(compile(IMPORTS + program, what, "exec", dont_inherit=True), names)
    assert names["outcome"] == ast.literal_eval(outcome)
