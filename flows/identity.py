"""Which task run a call is: the same call in another attempt of its flow run is the same one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pydantic_core import from_json

from upshot.events.ids import derived_id

from .context import Here, RunContext
from .inputs import inputs_key
from .states import StateType
from .taskrun import TaskHead, TaskRun

if TYPE_CHECKING:
    from .taskdef import Task

_LONGEST_NAME: Final = 200


def task_run_of(task: Task[..., Any], place: Here, bound: dict[str, Any]) -> TaskRun:
    """Name the call: the same one in another attempt of the flow run gets the same id."""
    run = place.run
    key = f"{task.name}:{inputs_key(bound)}"
    key = f"{key}:{place.scope.count(key)}"
    task_run_id = derived_id("task-run", run.id, place.scope.owner, key)
    earlier = _record(run, task_run_id)
    if earlier is not None and _is_spent(earlier):
        task_run_id = derived_id("task-run", task_run_id, str(run.held.run.attempt))
        earlier = None
    name = earlier["name"] if earlier else _name(task, run, bound)
    head = run.heads.get(task.name) or _head(run, task)
    return TaskRun(run, head, task_run_id=task_run_id, key=key, name=name, earlier=earlier)


def _record(run: RunContext, task_run_id: str) -> dict[str, Any] | None:
    stored = run.restored.get(task_run_id)
    return from_json(stored.partition(b" ")[2]) if stored else None


def _is_spent(record: dict[str, Any]) -> bool:
    """Tell whether a task run completed and left no result: it can neither be used nor go on."""
    return record["state"]["type"] == StateType.COMPLETED and record["checkpoint"] is None


def _name(task: Task[..., Any], run: RunContext, bound: dict[str, Any]) -> str:
    return (task.run_name(bound) or f"{task.name}-{run.names.count(task.name)}")[:_LONGEST_NAME]


def _head(run: RunContext, task: Task[..., Any]) -> TaskHead:
    head = run.heads[task.name] = TaskHead(run.held.run, task.name, task.tags)
    return head
