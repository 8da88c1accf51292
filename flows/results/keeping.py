"""Keeps the results of tasks: in the task run's record where they are small, else in files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ..calls.outcomes import explain
from ..context import RunContext
from ..exceptions import ResultNotKept
from ..logs.capturing import run_logger
from .formats import INLINE_BYTES, Kept, ResultFiles, keep, suffix_of

if TYPE_CHECKING:
    from ..definitions.taskdef import Task
    from ..taskruns.taskrun import TaskRun
    from .chosen import Keeping

Stored: TypeAlias = tuple[Kept | None, str | None]
"""A result as it is kept, and the file that it lies in where it does not lie in the record."""

MOST_CACHED: Final = 100_000
"""Entries of the cache that the store keeps; the oldest go first."""

_OPTIONS: Final = frozenset({
    "persist_result", "result_storage", "result_serializer", "cache_policy", "cache_key_fn",
    "cache_expiration", "refresh_cache", "result_storage_key",
})  # fmt: skip


def keeping_for(task: Task[..., Any], context: RunContext) -> Keeping | None:
    """Return how a task's results are kept, or None where nobody has said anything about it."""
    flow = vars(context.flow) if context.flow is not None else ()
    if _OPTIONS.isdisjoint(vars(task)) and _OPTIONS.isdisjoint(flow):
        return None
    from .chosen import keeping_of

    return keeping_of(task, context.flow)


class Keeper:
    """Keeps the result of one task run.

    Args:
        keeping: how, or None for a checkpoint where that is possible.
    """

    __slots__ = ("_announced", "_context", "_keeping", "_task", "_task_run")

    def __init__(
        self, task: Task[..., Any], context: RunContext, task_run: TaskRun, keeping: Keeping | None
    ) -> None:
        self._task, self._context, self._task_run = task, context, task_run
        self._keeping = keeping
        self._announced = ""

    @property
    def pickles(self) -> bool:
        """Whether the task's author chose pickle."""
        return self._keeping is not None and self._keeping.pickles

    def is_large(self, kept: Kept) -> bool:
        """Tell whether a result can't stand in the record, or is not to."""
        chosen = self._keeping is not None and self._keeping.storage is not None
        return chosen or not kept.is_json or len(kept.body) > INLINE_BYTES

    def encode(self, value: Any) -> Kept | None:
        """Return a result as bytes, or None where it is not to be kept or can't be.

        Raises:
            ResultNotKept: it had to be.
        """
        keeping = self._keeping
        if keeping is None:
            return keep(value, self._task.fn)
        if keeping.never:
            return None
        try:
            kept = keep(value, self._task.fn, keeping.serializer)
        except Exception as error:  # noqa: BLE001 - pickling is code of the value's own
            self._fail(f"can't be pickled: {explain(error)}", error)
            return None
        if kept is None:
            self._fail(_not_json(value))
        return kept

    def store(self, kept: Kept | None, path: str | None = None) -> Stored:
        """Put a result where it belongs: the record, or a file.

        Args:
            path: of a file that has it already.

        Raises:
            ResultNotKept: it had to be kept, and could not be written.
        """
        if kept is None:
            return None, None
        if not self.is_large(kept):
            return kept, None
        path = path or self.write(self._context.id, self._task_run.id, kept)
        return (kept, path) if path is not None else (None, None)

    def write(self, folder: str, name: str, kept: Kept, storage: str | None = None) -> str | None:
        """Write a file; return where it lies, or None where it could not be and need not.

        Raises:
            ResultNotKept: it had to be.
        """
        files = self._files(storage)
        try:
            path = files.path(folder, f"{name}{kept.suffix}" if folder else name)
            self._note(files.url, folder, path)
            files.write(path, kept.body)
            return path
        except Exception as error:  # noqa: BLE001 - each kind of storage has errors of its own
            size = f"its {len(kept.body):,} bytes can't be written to {files.url}"
            self._fail(f"{size}: {explain(error)}", error)
            return None

    def _files(self, storage: str | None) -> ResultFiles:
        wanted = storage or (self._keeping.storage if self._keeping is not None else None)
        return ResultFiles(wanted) if wanted is not None else self._context.files

    def announce(self, folder: str, name: str, storage: str | None = None) -> None:
        """Say ahead which file will be written, so that nobody need wait for that then."""
        serializer = self._keeping.serializer if self._keeping is not None else "json"
        self._announced = self._files(storage).path(folder, name + suffix_of(serializer))
        self._context.journal.put(self._context.held, "file", self._announced.encode())

    def _note(self, url: str, folder: str, path: str) -> None:
        """Say in the store where files of this run lie; they go when the run is forgotten.

        What lies in a folder of several runs goes when nobody else needs it either.
        """
        context = self._context
        if path == self._announced:
            context.journal.flush()
        elif folder and folder != context.id:
            self._hold(path, new=True)
        elif folder and url not in context.folders:
            context.journal.execute("SADD", context.journal.keys("files", context.id), url)
            context.folders.add(url)

    def hold(self, path: str) -> bool:
        """Keep a file that was found as long as this run's record is; False: it is going."""
        return self._hold(path, new=False)

    def _hold(self, path: str, *, new: bool) -> bool:
        return bool(self._context.journal.call("hold_file", *self._context.owner, path, int(new)))

    def _fail(self, what: str, error: Exception | None = None) -> None:
        message = self._say(what)
        if self._keeping is not None and self._keeping.required:
            raise ResultNotKept(message) from error
        run_logger().warning("%s", message)

    def _say(self, what: str) -> str:
        return f"the result of {self._task_run.name} is not kept: {what}"


def _not_json(value: Any) -> str:
    return (
        f"JSON does not give this {type(value).__name__} back; annotate what the task returns, "
        'or choose result_serializer="pickle"'
    )
