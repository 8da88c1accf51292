"""Which task run a call is: the same call in another attempt of its flow run is the same one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json, to_json

from upshot.events.ids import derived_id

from ..calls.keys import inputs_key
from ..calls.outcomes import explain
from ..context import Here, RunContext
from ..definitions.tagging import with_current
from ..logs.capturing import run_logger
from ..results.formats import Kept, restore
from ..results.keeping import keeping_for
from ..states import State, StateType
from .taskrun import Inside, TaskHead, TaskRun

if TYPE_CHECKING:
    from ..definitions.taskdef import Task


def task_run_of(
    task: Task[..., Any], place: Here, bound: dict[str, Any]
) -> tuple[TaskRun, State | None]:
    """Return the task run of a call and, where it completed before, its state with its result."""
    run = place.run
    key = place.scope.numbered(f"{task.name}:{inputs_key(bound)}")
    passed = run.again.passed(task.name)
    task_run_id = derived_id("task-run", run.id, place.scope.owner, key, *passed)
    task_run_id, earlier, found = _met(task, run, task_run_id)
    done = found if isinstance(found, State) else None
    name = earlier["name"] if earlier else _name(task, run, bound)
    tags = with_current(task.tags)
    head = run.heads.get((task.name, tags)) or _head(run, task.name, tags)
    made = TaskRun(
        run, head, task_run_id=task_run_id, key=key, name=name, code=task.code, earlier=earlier,
        why=found if isinstance(found, str) else "", caller=place.task, inside=_inside(task, place),
    )  # fmt: skip
    if made.why:
        run_logger().warning("%s: %s", name, made.why)
    return made, done


def _inside(task: Task[..., Any], place: Here) -> Inside | None:
    """Return what another process needs to know to undo it."""
    if place.transaction is None:
        return None
    return {"id": place.transaction.identity, "hooks": len(task.hooks.get("on_rollback", ()))}


def _met(
    task: Task[..., Any], run: RunContext, task_run_id: str
) -> tuple[str, dict[str, Any] | None, State | str]:
    """Return the id of a call's task run, its record, and its end or why it is to run again.

    One that completed and can't be used can't be gone into again either: then it is another one.
    """
    why = ""
    while True:
        earlier = _record(run, task_run_id)
        if earlier is None or earlier["state"]["type"] != StateType.COMPLETED:
            return task_run_id, earlier, why
        found = _restored(task, run, earlier)
        if isinstance(found, State):
            return task_run_id, earlier, found
        task_run_id, why = derived_id("task-run", task_run_id, "again"), found


def _record(run: RunContext, task_run_id: str) -> dict[str, Any] | None:
    stored = run.restored.get(task_run_id)
    return from_json(stored.partition(b" ")[2]) if stored else None


def _restored(task: Task[..., Any], run: RunContext, record: dict[str, Any]) -> State | str:
    """Return how it ended, with its result; or why it is to run again."""
    checkpoint = record["checkpoint"]
    if record["state"]["name"] == "RolledBack":
        return "it was undone; run again"
    if record.get("code", task.code) != task.code:
        return "its code changed since; run again"
    if checkpoint is None:
        return "its result was not kept; run again"
    try:
        value = restore(_kept(run, record, checkpoint), task.fn, pickled=_pickles(task, run))
    except Exception as error:  # noqa: BLE001 - each kind of storage has errors of its own
        return f"its result is gone ({explain(error)}); run again"
    return replace(State.from_dict(record["state"]), data=value)


def _kept(run: RunContext, record: dict[str, Any], checkpoint: dict[str, Any]) -> Kept:
    form, path = checkpoint["form"], checkpoint["path"]
    if path is None:
        return Kept(form, to_json(record["result"]))
    return run.files.read(form, path, checkpoint.get("digest"))


def _pickles(task: Task[..., Any], run: RunContext) -> bool:
    keeping = keeping_for(task, run)
    return keeping is not None and keeping.serializer.endswith("pickle")


def _name(task: Task[..., Any], run: RunContext, bound: dict[str, Any]) -> str:
    return task.run_name(bound) or f"{task.name}-{run.label}{run.names.count(task.name)}"


def _head(run: RunContext, name: str, tags: tuple[str, ...]) -> TaskHead:
    head = run.heads[name, tags] = TaskHead(run.flow_run, name, tags)
    return head
