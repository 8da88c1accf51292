"""What is foreseen of deployments from the text of their files, without running them."""

from __future__ import annotations

from pathlib import Path

import pytest

from upshot.services.cli.foresight import missing

FILE = """
import os as system
from elsewhere import imported

@flow
def plain(): ...

class Shop:
    @flow
    def sell(self): ...

assigned = flow(plain)
made: object = flow(plain)
first, (second, *others) = flows()

if system.name:
    def conditional(): ...
else:
    other = plain

try:
    tried = 1
except ValueError:
    def caught(): ...

with context() as entered:
    for looped in flows():
        pass

match system.name:
    case "posix":
        matched = plain

def outer():
    def inner(): ...
    hidden = 1
"""
THERE = (
    "plain Shop.sell imported system assigned made first second others conditional other tried"
    " caught entered looped matched outer"
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "flows.py"
    path.write_text(FILE)
    return path


@pytest.mark.parametrize("name", THERE.split())
def test_what_a_module_may_have_is_not_missed(file: Path, name: str) -> None:
    assert missing(file, name) is None


@pytest.mark.parametrize("name", ["palin", "inner", "hidden", "sell"])
def test_what_a_module_can_not_have_is_told_with_what_it_has(file: Path, name: str) -> None:
    told = f"there is no {name} in {file}; it has plain, outer; name the flow's function"
    assert missing(file, name) == told


def test_a_module_that_imports_all_of_another_may_have_anything(tmp_path: Path) -> None:
    path = tmp_path / "flows.py"
    path.write_text("from elsewhere import *")
    assert missing(path, "anything") is None


def test_a_file_that_is_not_there_or_no_python_is_told(tmp_path: Path) -> None:
    path = tmp_path / "flows.py"
    assert f"there is no file {path} here" in str(missing(path, "f"))
    path.write_text("def f(:\n")
    assert "can't be read: invalid syntax (<unknown>, line 1)" in str(missing(path, "f"))
    path.write_bytes(b"\0\xff")
    assert "can't be read" in str(missing(path, "f"))
