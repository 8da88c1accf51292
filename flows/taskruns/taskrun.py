"""One task run: each state it enters becomes a record and an event in the journal.

This is the hottest path of a flow: the JSON is put together from parts that were encoded once.
"""

from __future__ import annotations

import threading
from collections.abc import Collection
from typing import Any, Final, TypedDict

from pydantic_core import from_json, to_json

from upshot.events.ids import derived_id, new_id

from ..context import RunContext
from ..journal.held import HeldRun
from ..results.formats import Kept
from ..runs.events import related
from ..runs.flowrun import FlowRun
from ..states import NAMES, State, StateType, legible

_NO_RESULT: Final = '"result":null,"checkpoint":null'
_MOST_AFTER: Final = 64
"""Names of tasks that a record tells it waited for."""
_START: Final = frozenset({"Running", "Retrying"})


class Inside(TypedDict):
    """The transaction that a task run is in, and how many hooks undo the run."""

    id: str
    hooks: int


class TaskHead:
    """What the task runs of one task in one flow run have in common, as JSON.

    Args:
        run: the flow run. task: the task's name.
    """

    __slots__ = ("causation", "record", "related", "tags", "task")

    def __init__(self, run: FlowRun, task: str, tags: tuple[str, ...]) -> None:
        self.task, self.tags = task, tags
        mine = [
            {"id": f"flow-run.{run.id}", "role": "flow-run", "name": run.name},
            {"id": f"task.{derived_id('task', run.flow, task)}", "role": "task", "name": task},
            *related(run),
            *(
                {"id": f"tag.{tag}", "role": "tag", "name": tag}
                for tag in tags
                if tag not in run.tags
            ),
        ]
        self.related = _text(mine[:64])
        self.record = f'"task":{_text(task)},"flow_run":"{run.id}","tags":{_text(tags)}'
        way = run.causation and run.causation.model_dump()
        self.causation = f'"follows":{_text(run.caused_by)}' + (
            f',"causation":{_text(way)}' if way else ""
        )


class TaskRun:
    """A task run of this process.

    Attributes:
        attempt: how often its body was started, in this process and before.
        caller: the task run whose body called it, if one did.
        earlier: its record from an earlier attempt of the flow run. why: it runs though such a
            one completed.
    """

    __slots__ = (
        "_closed", "_context", "_head", "_held", "_label", "_lock", "_parts", "attempt",
        "caller", "created", "earlier", "id", "key", "name", "started", "state", "why",
    )  # fmt: skip

    def __init__(
        self,
        context: RunContext,
        head: TaskHead,
        *,
        task_run_id: str,
        key: str,
        name: str,
        code: str,
        earlier: dict[str, Any] | None = None,
        why: str = "",
        caller: TaskRun | None = None,
        inside: Inside | None = None,
    ) -> None:
        self.earlier, self.why, self.caller = earlier, why, caller
        self._context = context
        self._held: HeldRun = context.held
        self._head = head
        self.id, self.key, self.name = task_run_id, key, name
        self.attempt, self.created, self.started = 0, "", "null"
        self.state: State | None = None
        self._closed = False
        self._lock = threading.RLock()
        if earlier is not None:
            self._resume(earlier)
        label = _text(name)
        self._label = f'"resource":{{"id":"task-run.{task_run_id}","name":{label},"state":"'
        self._parts = (
            f'{{"id":"{task_run_id}","name":{label},"key":{_text(key)},"code":"{code}",'
            f"{head.record},"
        )
        if inside is not None:
            self._parts += f'"transaction":{_text(inside)},'

    @property
    def task(self) -> str:
        """The task's name."""
        return self._head.task

    @property
    def tags(self) -> tuple[str, ...]:
        return self._head.tags

    @property
    def flow_run_id(self) -> str:
        return self._context.id

    def come_after(self, tasks: Collection[str]) -> None:
        """Let the record tell which tasks it waits for, before it enters a state."""
        self._parts += f'"after":{_text(sorted(tasks)[:_MOST_AFTER])},'

    def _resume(self, record: dict[str, Any]) -> None:
        self.attempt, self.created = record["attempt"], record["created"]
        self.started = _text(record["started"])
        self.state = State.from_dict(record["state"])

    def enter(self, state: State, kept: Kept | None = None, path: str | None = None) -> None:
        """Enter a state; nothing happens once the run was closed, or has ended but for a retry.

        Args:
            state: the new one. kept: the result, and ``path`` where it lies if in a file.
        """
        with self._lock:
            if not self._closed and self._may_enter(state):
                self._enter(state, kept, path)

    def _may_enter(self, state: State) -> bool:
        """Tell whether it may follow: an interruption can come right after the end of a task."""
        present = self.state
        if present is None or not present.ended or NAMES[state.name] is StateType.SCHEDULED:
            return True
        return present.completed and state.name == "RolledBack"

    def _enter(self, state: State, kept: Kept | None, path: str | None) -> None:
        previous, self.state = self.state, state
        kind, message = NAMES[state.name], _message(state.message)
        if state.name in _START:
            self.attempt += 1
            self.started = f'"{state.timestamp}"' if self.started == "null" else self.started
        self.created = self.created or state.timestamp
        body = (
            f'{{"type":"{kind.value}","name":"{state.name}","message":{message},'
            f'"timestamp":"{state.timestamp}"}}'
        )
        record = self._record(kind, state, body, kept, path)
        self._put(kind, record, self._event(kind, state, body, message, previous))

    def _record(
        self, kind: StateType, state: State, body: str, kept: Kept | None, path: str | None
    ) -> str:
        ended = f'"{state.timestamp}"' if state.ended else "null"
        result = _NO_RESULT if kept is None else _result(kept, path)
        return (
            f'{self._parts}"state":{body},"attempt":{self.attempt},"created":"{self.created}",'
            f'"started":{self.started},"ended":{ended},{result}}}'
        )

    def _event(
        self, kind: StateType, state: State, body: str, message: str, previous: State | None
    ) -> str:
        before = f'"{previous.name}"' if previous is not None else "null"
        return (
            f'{{"id":"{new_id()}","event":"task-run.{kind.value.lower()}",'
            f'"occurred":"{state.timestamp}",{self._label}{state.name}"}},'
            f'"related":{self._head.related},"payload":{{"state":{body},"previous":{before},'
            f'"attempt":{self.attempt},"message":{message}}},{self._head.causation}}}'
        )

    def _put(self, kind: StateType, record: str, event: str) -> None:
        stored = record.encode()
        context = self._context
        if context.remembers:
            context.restored[self.id] = f"{kind.value} ".encode() + stored
        context.journal.put(self._held, kind.value, event.encode(), task_run=self.id, record=stored)

    def close(self, state: State) -> bool:
        """End it from outside, where it has not ended; its thread may go on but is not heard."""
        with self._lock:
            if self._closed or self.state is None or self.state.ended:
                return False
            self.enter(state)
            self._closed = True
        return True


def parse_record(stored: bytes) -> dict[str, Any]:
    """Return the record of a task run, which the store keeps behind the type of its state."""
    record: dict[str, Any] = from_json(stored.partition(b" ")[2])
    return record


def task_run_from(context: RunContext, record: dict[str, Any]) -> TaskRun:
    """Return the task run that a record tells of."""
    head = TaskHead(context.flow_run, record["task"], tuple(record["tags"]))
    return TaskRun(
        context, head, task_run_id=record["id"], key=record["key"], name=record["name"],
        code=record["code"], earlier=record, inside=record.get("transaction"),
    )  # fmt: skip


def _text(value: object) -> str:
    return to_json(value).decode()


def _message(message: str) -> str:
    if not message:
        return '""'
    return _text(legible(message))


def _result(kept: Kept, path: str | None) -> str:
    if path is None:
        return f'"result":{kept.body.decode()},"checkpoint":{{"form":"{kept.form}","path":null}}'
    where = f'"form":"{kept.form}","path":{_text(path)},"digest":"{kept.digest}"'
    return f'"result":null,"checkpoint":{{{where}}}'
