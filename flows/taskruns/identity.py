"""Which task run a call is: the same call in another attempt of its flow run is the same one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic_core import to_json

from upshot.events.ids import derived_id

from ..calls.keys import inputs_key
from ..calls.outcomes import explain
from ..context import Here, RunContext
from ..definitions.tagging import with_current
from ..logs.capturing import run_logger
from ..results.formats import Kept, ResultFiles, restore
from ..results.keeping import keeping_for
from ..states import State, StateType
from .taskrun import Inside, TaskHead, TaskRun, parse_record

if TYPE_CHECKING:
    from ..definitions.taskdef import Task


def recall(context: RunContext) -> None:
    """Know from now on what the run's tasks did in earlier attempts."""
    stored = context.journal.execute("HGETALL", context.journal.keys("tasks", context.id))
    context.restored.update({name.decode(): body for name, body in stored.items()})


def task_run_of(
    task: Task[..., Any], place: Here, bound: dict[str, Any]
) -> tuple[TaskRun, State | None]:
    """Return the task run of a call and, where it completed before, its state with its result."""
    context = place.context
    key = place.scope.numbered(f"{task.name}:{inputs_key(bound)}")
    passed = context.again.passed(task.name)
    task_run_id = derived_id("task-run", context.id, place.scope.owner, key, *passed)
    met = _met(task, context, task_run_id)
    name = met.record["name"] if met.record else _name(task, context, bound)
    tags = with_current(task.tags)
    head = context.heads.get((task.name, tags)) or _head(context, task.name, tags)
    made = TaskRun(
        context, head, task_run_id=met.task_run_id, key=key, name=name, code=task.code,
        earlier=met.record, why=met.why, caller=place.task, inside=_inside(task, place),
    )  # fmt: skip
    if met.why:
        run_logger().warning("%s: %s", name, met.why)
    return made, met.done


def _inside(task: Task[..., Any], place: Here) -> Inside | None:
    """Return what another process needs to know to undo it."""
    if place.transaction is None:
        return None
    return {"id": place.transaction.identity, "hooks": len(task.hooks.get("on_rollback", ()))}


class _Met(NamedTuple):
    """What is there of a call's task run: its record, and its end or why it is to run again."""

    task_run_id: str
    record: dict[str, Any] | None
    done: State | None = None
    why: str = ""


def _met(task: Task[..., Any], context: RunContext, task_run_id: str) -> _Met:
    """Find a call's task run.

    One that completed and can't be used can't be gone into again either: then it is another one.
    """
    why = ""
    while True:
        stored = context.restored.get(task_run_id)
        record = parse_record(stored) if stored else None
        if record is None or record["state"]["type"] != StateType.COMPLETED:
            return _Met(task_run_id, record, why=why)
        found = _restored(task, context, record)
        if isinstance(found, State):
            return _Met(task_run_id, record, done=found)
        task_run_id, why = derived_id("task-run", task_run_id, "again"), found


def _restored(task: Task[..., Any], context: RunContext, record: dict[str, Any]) -> State | str:
    """Return how it ended, with its result; or why it is to run again."""
    checkpoint = record["checkpoint"]
    if record["state"]["name"] == "RolledBack":
        return "it was undone; run again"
    if record.get("code", task.code) != task.code:
        return "its code changed since; run again"
    if checkpoint is None:
        return "its result was not kept; run again"
    try:
        value = restore(_kept(record, checkpoint), task.fn, pickled=_pickles(task, context))
    except Exception as error:  # noqa: BLE001 - each kind of storage has errors of its own
        return f"its result is gone ({explain(error)}); run again"
    return replace(State.from_dict(record["state"]), data=value)


def _kept(record: dict[str, Any], checkpoint: dict[str, Any]) -> Kept:
    form, path = checkpoint["form"], checkpoint["path"]
    if path is None:
        return Kept(form, to_json(record["result"]))
    return ResultFiles.read(form, path, checkpoint.get("digest"))


def _pickles(task: Task[..., Any], context: RunContext) -> bool:
    keeping = keeping_for(task, context)
    return keeping is not None and keeping.pickles


def _name(task: Task[..., Any], context: RunContext, bound: dict[str, Any]) -> str:
    return task.run_name(bound) or f"{task.name}-{context.label}{context.names.count(task.name)}"


def _head(context: RunContext, name: str, tags: tuple[str, ...]) -> TaskHead:
    head = context.heads[name, tags] = TaskHead(context.flow_run, name, tags)
    return head
