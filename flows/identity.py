"""Which task run a call is: the same call in another attempt of its flow run is the same one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json, to_json

from upshot.events.ids import derived_id

from .context import Here, RunContext
from .inputs import inputs_key
from .logs import run_logger
from .results import Kept, restore
from .states import State, StateType
from .tagging import with_current
from .taskrun import TaskHead, TaskRun

if TYPE_CHECKING:
    from .taskdef import Task


def task_run_of(
    task: Task[..., Any], place: Here, bound: dict[str, Any]
) -> tuple[TaskRun, State | None]:
    """Return the task run of a call and, where it completed before, its state with its result."""
    run = place.run
    key = f"{task.name}:{inputs_key(bound)}"
    key = f"{key}:{place.scope.count(key)}"
    task_run_id = derived_id("task-run", run.id, place.scope.owner, key)
    earlier, done = _record(run, task_run_id), None
    if earlier is not None and earlier["state"]["type"] == StateType.COMPLETED:
        done = _restored(task, run, earlier)
        if done is None:  # it can neither be used nor gone into again: this is another task run
            task_run_id = derived_id("task-run", task_run_id, str(run.held.run.attempt))
            earlier = None
    name = earlier["name"] if earlier else _name(task, run, bound)
    tags = with_current(task.tags)
    head = run.heads.get((task.name, tags)) or _head(run, task.name, tags)
    made = TaskRun(run, head, task_run_id=task_run_id, key=key, name=name, earlier=earlier)
    return made, done


def _record(run: RunContext, task_run_id: str) -> dict[str, Any] | None:
    stored = run.restored.get(task_run_id)
    return from_json(stored.partition(b" ")[2]) if stored else None


def _restored(task: Task[..., Any], run: RunContext, record: dict[str, Any]) -> State | None:
    checkpoint = record["checkpoint"]
    if checkpoint is None:
        return None
    path = checkpoint["path"]
    try:
        body = to_json(record["result"]) if path is None else run.files.read(path)
        value = restore(Kept(checkpoint["form"], body), task.fn)
    except (OSError, ValueError) as error:
        run_logger().warning("%s runs again: its result is gone: %s", record["name"], error)
        return None
    return replace(State.from_dict(record["state"]), data=value)


def _name(task: Task[..., Any], run: RunContext, bound: dict[str, Any]) -> str:
    return task.run_name(bound) or f"{task.name}-{run.names.count(task.name)}"


def _head(run: RunContext, name: str, tags: tuple[str, ...]) -> TaskHead:
    head = run.heads[name, tags] = TaskHead(run.held.run, name, tags)
    return head
