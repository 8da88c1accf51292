"""Finds the hooks that undo what another process did: a block's by name, a task's by its record."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from ..definitions.taskdef import Task
from ..exceptions import NotUndone

if TYPE_CHECKING:
    from .transaction import Hooks

_PROGRAM: Final = "__main__"


def name_of(function: Any) -> str | None:
    """Return ``module:name`` of a function, or None where that leads to another one, or none."""
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    if not module or not name or _found(module, name) is not function:
        return None
    return f"{module}:{name}"


def named(told: str, program: str) -> Any:
    """Return what a name leads to now, or None.

    Args:
        program: the module that was the program, where that is how the name was made.
    """
    module, _, name = told.partition(":")
    return _found(program if module == _PROGRAM else module, name)


def _found(module: str, name: str) -> Any:
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


def hooks_of(record: dict[str, Any]) -> Hooks:
    """Return the hooks of the task that made a task run.

    Raises:
        NotUndone: no task is known that did, or several could have.
    """
    tasks = list(_tasks())
    alike = [task for task in tasks if task.name == record["task"]]
    same = [task for task in alike or tasks if task.code == record["code"]]
    found = {_identity(task): task.hooks for task in same or alike}
    if len(found) == 1:
        return next(iter(found.values()))
    count = "several tasks are" if found else "no task that stands in a module is"
    raise NotUndone(f"{record['name']}: {count} called {record['task']!r}")


def _tasks() -> Iterator[Task[..., Any]]:
    """Yield the tasks that names of loaded modules, or of classes there, lead to."""
    for module in list(sys.modules.values()):
        for value in list(getattr(module, "__dict__", {}).values()):
            methods = vars(value).values() if issubclass(type(value), type) else ()
            those: tuple[Any, ...] = (value, *methods)
            for each in those:
                wrapped = issubclass(type(each), staticmethod | classmethod)
                found: Any = each.__func__ if wrapped else each
                if issubclass(type(found), Task):  # asks no proxy what it stands for
                    yield found


def _identity(task: Task[..., Any]) -> tuple[int, ...]:
    """Tell tasks apart by what undoes them; copies with other options are undone alike."""
    return tuple(id(hook) for hook in task.hooks.get("on_rollback", ()))
