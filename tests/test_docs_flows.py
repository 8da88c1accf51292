"""The page on flows: every program runs as it stands and prints what the page says."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path
from typing import Any

import pytest

from upshot.events.store import SyncStore
from upshot.flows.definitions.options import FlowOptions, TaskOptions
from upshot.flows.taskruns.triggering import RULES

PAGE = (Path(__file__).parents[1] / "docs" / "flows.md").read_text()
PROGRAMS = re.findall(
    r"^```python\n(.*?)^```\n\n```text\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE
)


@pytest.mark.parametrize(("program", "printed"), PROGRAMS)
def test_a_program_prints_what_the_page_says(
    store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, printed: str
) -> None:
    monkeypatch.setenv("UPSHOT_REDIS_URL", store_url)
    monkeypatch.setenv("UPSHOT_DATA_DIR", str(tmp_path))
    with contextlib.closing(SyncStore(store_url)) as store:
        store.load_functions()
    names: dict[str, Any] = {"__name__": "__main__"}
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(compile(program, "flows.md", "exec", dont_inherit=True), names)
    assert out.getvalue() == printed


def test_every_python_block_is_run() -> None:
    assert len(PROGRAMS) == PAGE.count("```python") > 5


@pytest.mark.parametrize(
    "name", sorted(FlowOptions.__optional_keys__ | TaskOptions.__optional_keys__)
)
def test_every_option_is_named(name: str) -> None:
    assert f"`{name}`" in PAGE


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_is_explained(rule: str) -> None:
    assert f"| `{rule}` |" in PAGE
