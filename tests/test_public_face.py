"""The public face: every name is there, and importing it costs next to nothing."""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import upshot
import upshot.events
import upshot.flows

HERE = Path(upshot.__file__).parent
HEAVY = ("aiohttp", "apprise", "fastapi", "faststream", "jinja2", "rich", "typer", "uvicorn")
MODULES = sorted(
    path.relative_to(HERE).with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__")
    for path in HERE.rglob("*.py")  # which does not follow the links to the rooms
)


def _modules_after(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def _offered_by(room: ModuleType) -> list[str]:
    offered: list[str] = room.__dict__["__getattr__"]("__all__")
    return offered


def _names_for_type_checkers(room: ModuleType) -> dict[str, str]:
    """Return the module from which a room's face tells type checkers that each name comes."""
    tree = ast.parse(Path(str(room.__file__)).read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    named = [(node, alias) for node in imports for alias in node.names]
    assert all(alias.asname == alias.name for _, alias in named)
    return {
        alias.name: f"{room.__name__}.{node.module}" if node.level else str(node.module)
        for node, alias in named
    }


@pytest.mark.parametrize("name", _offered_by(upshot))
def test_every_public_name_can_be_had(name: str) -> None:
    assert getattr(upshot, name) is not None
    assert name in dir(upshot)


@pytest.mark.parametrize("room", [upshot.events, upshot.flows], ids=["events", "flows"])
def test_type_checkers_and_the_running_program_see_the_same_names(room: ModuleType) -> None:
    told = _names_for_type_checkers(room)
    assert sorted(told) == _offered_by(room)
    for name, module in told.items():
        assert getattr(room, name) is getattr(importlib.import_module(module), name)


def test_all_that_flows_offer_can_be_had_from_the_top() -> None:
    assert set(_offered_by(upshot)) > set(_offered_by(upshot.flows))


def test_modules_can_be_reached_as_attributes() -> None:
    code = "import upshot; print(upshot.states.Completed, upshot.runtime.flow_run.id)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith(" None\n")


def test_no_room_needs_the_modules_for_users_of_prefect() -> None:
    names = "|".join(re.escape(name) for name in MODULES if name != "__init__")
    needing = re.compile(rf"^\s*(from|import) upshot\.({names})\b", re.MULTILINE)
    rooms = [HERE.parent / room for room in ("events", "flows", "automations", "services")]
    sources = [path for room in rooms for path in room.rglob("*.py")]
    assert len(sources) > 100
    assert not [path for path in sources if needing.search(path.read_text())]


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'flwo'"):
        upshot.flwo  # type: ignore[attr-defined]  # noqa: B018


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


def test_limits_can_be_had_from_the_top_after_their_modules_were_imported() -> None:
    code = (
        "from upshot.concurrency.sync import concurrency as limit; from upshot import concurrency;"
        "print(type(concurrency('slots')) is limit)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


def test_the_modules_for_users_of_prefect_are_found() -> None:
    assert {"states", "tasks", "concurrency.sync", "utilities.annotations"} < set(MODULES)


@pytest.mark.parametrize("module", [name for name in MODULES if name != "__init__"])
def test_modules_for_users_of_prefect_offer_what_they_say(module: str) -> None:
    found = importlib.import_module(f"upshot.{module}")
    tree = ast.parse(Path(str(found.__file__)).read_text())
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    aliases = [alias for node in imports for alias in node.names]
    names = [alias.name for alias in aliases if alias.asname == alias.name]
    assert all(getattr(found, name) is not None for name in names)


@pytest.mark.parametrize(
    "statement",
    [
        "from upshot.events import emit_event",
        "from upshot.flows import flow, Flow",
        "from upshot.runtime import flow_run, task_run, deployment",
        "from upshot import runtime, states, tasks",
        "from upshot.utilities.annotations import unmapped, quote",
        "from upshot.cache_policies import INPUTS, TASK_SOURCE, NONE",
        "from upshot.futures import PrefectFuture, wait, as_completed",
        "from upshot.tasks import task, exponential_backoff",
        "from upshot.client.schemas import objects",
        "from upshot.client.schemas.objects import ConcurrencyLimitStrategy",
        "from upshot.input import run_input",
        "from upshot.locking.filesystem import FileSystemLockManager",
        "from upshot.concurrency import sync, asyncio",
        "from upshot import artifacts, assets, deployments, flow_runs, input, transactions",
    ],
)
def test_an_import_from_prefect_works_with_another_name(statement: str) -> None:
    loaded = _modules_after(statement)
    assert not loaded.intersection(HEAVY)
    assert not loaded.intersection({"pydantic", "redis"})
