"""The public face: every name is there, and importing it costs next to nothing."""

from __future__ import annotations

import ast
import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest

import upshot

HEAVY = ("aiohttp", "apprise", "fastapi", "faststream", "jinja2", "rich", "typer", "uvicorn")


def _modules_after(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def _names_for_type_checkers() -> dict[str, str]:
    tree = ast.parse(Path(upshot.__file__).read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    return {alias.name: node.module or "" for node in imports for alias in node.names}


@pytest.mark.parametrize("name", upshot.__all__)
def test_every_public_name_can_be_had(name: str) -> None:
    assert getattr(upshot, name) is not None
    assert name in dir(upshot)


def test_type_checkers_and_the_running_program_see_the_same_names() -> None:
    assert _names_for_type_checkers() == upshot._ROOM_OF
    assert sorted(upshot.__all__) == sorted(upshot._ROOM_OF)


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'flwo'"):
        upshot.flwo  # noqa: B018


def test_the_version_is_the_installed_one() -> None:
    assert upshot.__version__ == importlib.metadata.version("upshot")


def test_importing_upshot_loads_none_of_its_rooms() -> None:
    loaded = _modules_after("import upshot")
    assert not {name for name in loaded if name.startswith("upshot.")}
    assert "pydantic" not in loaded


def test_a_flow_process_loads_nothing_that_only_services_need() -> None:
    loaded = _modules_after("from upshot import flow, task")
    assert not loaded.intersection(HEAVY)
    assert not {
        name for name in loaded if name.startswith(("upshot.services", "upshot.automations"))
    }
