"""Entrypoints: where a flow lies (``path.py:function``), and how it is loaded from there."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import traceback
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from types import ModuleType
from typing import Any

from ..calls.outcomes import explain
from ..exceptions import EntrypointNotFound, FlowsError
from ..logs.tracebacks import is_ours
from .flowdef import Flow
from .taskdef import Task


def entrypoint_of(function: Callable[..., Any]) -> str:
    """Return the entrypoint of a flow's function.

    Raises:
        EntrypointNotFound: no file holds it, or it stands inside of another function.
    """
    path, name = Path(function.__code__.co_filename), function.__qualname__
    if not path.is_file():
        raise EntrypointNotFound(f"{name} is in no file that a worker could load")
    if "<locals>" in name:
        raise EntrypointNotFound(f"{name} stands inside of a function; move it to the module")
    return f"{path.resolve()}:{name}"


def load_flow(entrypoint: str) -> Flow[..., Any]:
    """Import the module of an entrypoint, once for a process, and return its flow.

    Args:
        entrypoint: ``path.py:function`` or ``package.module:function``; a relative path is
            relative to the working directory. The file's folder gets onto ``sys.path``.

    Raises:
        EntrypointNotFound: there is no such file, no such name in it, or it names no flow.
        Exception: whatever the module itself raises.
    """
    where, separator, name = entrypoint.rpartition(":")
    if not (separator and where and name):
        raise EntrypointNotFound(f"entrypoint {entrypoint!r} is not of the form path.py:function")
    found: Any = (module := load_module(where))
    for part in name.split("."):
        found = getattr(found, part, None)
    if isinstance(found, Flow):
        return found
    if isinstance(found, Task):
        return found.as_flow()
    raise EntrypointNotFound(f"entrypoint {entrypoint!r}: {_no_flow(module, name, found)}")


def _no_flow(module: ModuleType, name: str, found: object) -> str:
    """Say why a name leads to no flow, and which names of the module do."""
    if found is not None:
        return f"{name} is no flow; decorate it with @flow"
    flows = [each for each, value in vars(module).items() if isinstance(value, Flow)]
    there = f"its flows are {', '.join(flows)}" if flows else "it has no flows"
    return f"there is no {name} in it; {there}"


def load_module(where: str) -> ModuleType:
    """Import a module given by its file or by its dotted name."""
    if where.endswith(".py"):
        return _from_file(Path(where).resolve())
    try:
        return importlib.import_module(where)
    except ModuleNotFoundError as error:
        if error.name is None or not where.startswith(error.name):
            raise  # the module is there; one that it needs is not
        raise EntrypointNotFound(f"there is no module {where!r}") from error


def _from_file(path: Path) -> ModuleType:
    name = _module_name(path)
    loaded = sys.modules.get(name)
    if loaded is not None:
        return loaded
    if not path.is_file():
        raise EntrypointNotFound(f"there is no file {path}")
    folder = str(path.parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    return _execute(name, path)


def _module_name(path: Path) -> str:
    """Return the plain name that imports and pickles use, unless another module has it already."""
    holder = sys.modules.get(path.stem)
    if holder is None and path.stem not in sys.stdlib_module_names:
        return path.stem
    if holder is not None and _is_from(holder, path):
        return path.stem
    return f"{path.stem}_{blake2b(bytes(path), digest_size=6).hexdigest()}"


def _is_from(module: ModuleType, path: Path) -> bool:
    file = getattr(module, "__file__", None)
    return file is not None and (file == str(path) or Path(file).resolve() == path)


def _execute(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise EntrypointNotFound(f"{path} can not be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]  # half a module must not be taken for a loaded one
        raise
    return module


def why_not_loaded(error: BaseException) -> str:
    """Return the error of a module that could not be imported, with the file and the line."""
    text = explain(error)
    if isinstance(error, FlowsError):
        return text  # it says itself where
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__}: {error.msg} ({error.filename}, line {error.lineno})"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_theirs(frame)]
    place = f" ({frames[-1].filename}, line {frames[-1].lineno})" if frames else ""
    missing = isinstance(error, ModuleNotFoundError)
    return text + place + ("; install it where the flow runs" if missing else "")


def _is_theirs(frame: traceback.FrameSummary) -> bool:
    return not is_ours(frame) and not frame.filename.startswith("<frozen ")
