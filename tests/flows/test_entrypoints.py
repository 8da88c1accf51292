"""Entrypoints: flows are found by file or by module, each module loaded once."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from upshot.flows.definitions.entrypoints import entrypoint_of, load_flow, why_not_loaded
from upshot.flows.exceptions import EntrypointNotFound
from upshot.flows.flowruns.process import preload

SOURCE = """
from upshot import flow
import helper_beside

class Group:
    @flow
    def inner(): ...

@flow
def f():
    return helper_beside.VALUE
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "flows_to_load.py").write_text(SOURCE)
    (tmp_path / "json.py").write_text(SOURCE)
    (tmp_path / "helper_beside.py").write_text("VALUE = 1")
    before, path = set(sys.modules), list(sys.path)
    yield tmp_path
    sys.path[:] = path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_a_flow_is_loaded_from_its_file_with_the_modules_beside_it(folder: Path) -> None:
    entrypoint = f"{folder}/flows_to_load.py:f"
    preload(entrypoint)
    module = sys.modules["flows_to_load"]
    loaded = load_flow(entrypoint)
    assert loaded is module.f
    assert entrypoint_of(loaded.fn) == str(Path(entrypoint).resolve())
    assert load_flow(f"{folder}/flows_to_load.py:Group.inner").name == "inner"
    assert load_flow("flows_to_load:f") is loaded


def test_a_file_may_be_called_as_a_module_of_python(folder: Path) -> None:
    import json

    assert load_flow(f"{folder}/json.py:f").name == "f"
    assert sys.modules["json"] is json


def test_two_files_of_one_name_are_two_modules(folder: Path) -> None:
    other = folder / "other"
    other.mkdir()
    (other / "flows_to_load.py").write_text(SOURCE.replace("def f", "def g"))
    assert load_flow(f"{folder}/flows_to_load.py:f").name == "f"
    assert load_flow(f"{other}/flows_to_load.py:g").name == "g"


def test_a_relative_path_is_relative_to_the_working_directory(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    assert load_flow("flows_to_load.py:f").name == "f"


@pytest.mark.parametrize(
    "entrypoint", ["x", ":f", "x.py:", "no_such_file.py:f", "no_such_module_here:f"]
)
def test_what_is_not_there_is_named(folder: Path, entrypoint: str) -> None:
    with pytest.raises(EntrypointNotFound):
        load_flow(entrypoint)


@pytest.mark.parametrize(
    ("name", "told"),
    [("g", "there is no g in it; its flows are f"), ("Path", "Path is no flow; decorate it")],
)
def test_a_name_that_leads_to_no_flow_is_told_with_those_that_do(
    folder: Path, name: str, told: str
) -> None:
    path = folder / "flows_to_choose.py"
    path.write_text("from pathlib import Path\nfrom upshot import flow\n@flow\ndef f(): ...\n")
    with pytest.raises(EntrypointNotFound, match=told):
        load_flow(f"{path}:{name}")


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (
            "import upshot\nimport not_there",
            "No module named 'not_there' ({path}, line 2); install",
        ),
        ("def f(:", "SyntaxError: invalid syntax ({path}, line 1)"),
        ("import helper_beside\nhelper_beside.X", "no attribute 'X' ({path}, line 2)"),
    ],
)
def test_a_module_that_broke_is_told_by_its_own_line(folder: Path, source: str, told: str) -> None:
    path = folder / "breaks_somewhere.py"
    path.write_text(source)
    with pytest.raises(Exception) as raised:  # noqa: PT011 - each source raises its own
        load_flow(f"{path}:f")
    assert told.format(path=path) in why_not_loaded(raised.value)


def test_a_module_that_broke_is_tried_again(folder: Path) -> None:
    path = folder / "breaks.py"
    path.write_text("import not_there_at_all")
    for _ in range(2):
        with pytest.raises(ModuleNotFoundError, match="not_there_at_all"):
            load_flow(f"{path}:f")
    path.write_text(SOURCE)
    assert load_flow(f"{path}:f").name == "f"
