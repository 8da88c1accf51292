"""What a call finds in the cache instead of running, and what it leaves there for others.

The way of a cached call: its key → the cache (and the lock, where it is SERIALIZABLE) → a hit, or
the function runs → its result in a file → the entry in the store, at once or with a transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from inspect import signature as signature_of
from types import MethodType
from typing import TYPE_CHECKING, Any, Final

from pydantic_core import from_json, to_json

from upshot.events.store import Argument

from ..calls.outcomes import explain
from ..context import RunContext
from ..journal.locks import LockWait
from ..logs.capturing import run_logger
from ..run_contexts import TaskRunContext
from ..states import State, timestamp
from .chosen import StorageKey
from .formats import Kept, ResultFiles, restore
from .hashing import hashed
from .keeping import MOST_CACHED, Keeper, Stored

if TYPE_CHECKING:
    from ..definitions.taskdef import Task
    from ..taskruns.taskrun import TaskRun
    from .chosen import Keeping

_LOOK_AGAIN: Final = 0.05  # seconds
FOLDER: Final = "cache"


@dataclass(frozen=True, slots=True)
class Hit:
    """A result that was found.

    Attributes:
        state: that the task run enters. stored: its result.
    """

    state: State
    stored: Stored


class Memo:
    """The cache's side of one call.

    Args:
        keeping: has a policy.
    """

    def __init__(
        self, task: Task[..., Any], context: RunContext, task_run: TaskRun, keeping: Keeping
    ) -> None:
        self._task, self._context, self._task_run = task, context, task_run
        self._keeping = keeping
        self._keeper = Keeper(task, context, task_run, keeping)
        self._key: str | None = None
        self._lock, self._locked = LockWait(context.journal), False

    def look(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Hit | float | None:
        """Return what was found, or the seconds after which to look again; None says: compute it.

        Whoever is told to compute a SERIALIZABLE result has its lock until :meth:`release`.
        """
        if self._key is None:
            self._key = self._made_key(args, kwargs)
        if self._key is None:
            return None
        hit = None if self._task.refresh_cache else self._find()
        if hit is not None or not self._keeping.serializable or self._locked:
            return hit
        self._locked = self._lock.take(self._lock_name, *self._owner())
        if not self._locked:
            return None if self._is_within() else _LOOK_AGAIN
        # Whoever had the lock until now may just have left its result.
        return self.look(args, kwargs)

    def _is_within(self) -> bool:
        """Tell whether who computes it waits for this very call; it would wait for ever."""
        store = self._context.journal.store
        holder = self._context.journal.execute("HGET", store.keys("locks"), self._lock_name)
        by = holder.decode().rpartition("/")[2] if holder else ""
        caller = self._task_run.caller
        while caller is not None and caller.id != by:
            caller = caller.caller
        return caller is not None

    def _made_key(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str | None:
        policy = self._keeping.policy
        run, given = self._context.flow_run, self._flow_parameters()
        call = TaskRunContext(self._task, self._task_run, run, given)
        try:
            inputs = self._inputs(args, kwargs)
            return policy.compute_key(call, inputs, dict(given)) if policy else None
        except Exception as error:  # noqa: BLE001 - policies and inputs are code of the user's own
            name = self._task_run.name
            run_logger().error("%s is not cached: %s", name, explain(error), exc_info=error)
            return None

    def _inputs(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """Return all parameters, defaults included; a method's first one is whose method it is."""
        function, signature = self._task.fn, self._task.signature
        inputs = signature.with_defaults(signature.bind(args, kwargs))
        if not isinstance(function, MethodType):
            return inputs
        first = next(iter(signature_of(function.__func__).parameters), "self")
        return {first: function.__self__, **inputs}

    def _flow_parameters(self) -> dict[str, Any]:
        context = self._context
        if context.flow is None or context.arguments is None:
            return context.flow_run.parameters
        return context.flow.bind(*context.arguments)

    @property
    def _index(self) -> str:
        return hashed(self._storage or "", self._key or "")

    @property
    def _name(self) -> str:
        return f"{self._index}-{self._task_run.id}"

    @property
    def _lock_name(self) -> str:
        return f"cache:{self._index}"

    @property
    def _storage(self) -> str | None:
        policy = self._keeping.policy
        return (policy.key_storage if policy else None) or self._keeping.storage

    def _owner(self) -> tuple[Argument, ...]:
        return *self._context.owner, self._task_run.id

    def _journal_call(self, function: str, *arguments: Argument) -> Any:
        return self._context.journal.call(function, *arguments)

    def _find(self) -> Hit | None:
        stored = self._journal_call("find_cached", self._index)
        if not stored:
            return None
        entry = from_json(stored)
        try:
            kept = ResultFiles.read(entry["form"], entry["path"], entry.get("digest"))
            value = restore(kept, self._task.fn, pickled=self._keeping.pickles)
        except Exception as error:  # noqa: BLE001 - each kind of storage has errors of its own
            run_logger().warning(
                "%s runs: what is cached can't be used: %s", self._task_run.name, explain(error)
            )
            return None
        if self._is_going(kept, entry["path"]):
            return None
        message = f"cached at {entry['made']} by task run {entry['by']}"
        stored = self._keeper.store(kept, entry["path"])
        return Hit(State("Cached", message, data=value), stored)

    def _is_going(self, kept: Kept, path: str) -> bool:
        """Tell whether a file that this run's record would tell of is being removed."""
        shared = not isinstance(self._keeping.policy, StorageKey)
        return shared and self._keeper.is_large(kept) and not self._keeper.hold(path)

    def write(self, kept: Kept | None) -> str | None:
        """Write a result for others; return its file, or None where there is none."""
        if self._key is None or kept is None:
            return None
        if isinstance(self._keeping.policy, StorageKey):
            return self._keeper.write("", self._key, kept, self._storage)
        return self._keeper.write(FOLDER, self._name, kept, self._storage)

    def announce(self) -> None:
        """Say that it is going to be written."""
        if self._key is not None and not isinstance(self._keeping.policy, StorageKey):
            self._keeper.announce(FOLDER, self._name, self._storage)

    def entry(self, kept: Kept | None, path: str | None) -> tuple[Argument, ...]:
        """Return an entry as ``upshot_cache`` takes it, nothing where nothing was written."""
        if kept is None or path is None:
            return ()
        body = {"form": kept.form, "path": path, "digest": kept.digest}
        body |= {"by": self._task_run.name, "made": timestamp()}
        mine = not isinstance(self._keeping.policy, StorageKey)
        expires = int((self._keeping.expires or 0) * 1000)
        return self._index, to_json(body), path if mine else "", expires

    def publish(self, entry: tuple[Argument, ...]) -> None:
        """Let others find it."""
        if entry:
            self._journal_call("cache", MOST_CACHED, *entry)

    def release(self) -> None:
        """Let go of the lock, if this call has it."""
        if self._locked:
            self._locked = False
            self._journal_call("unlock", self._lock_name, *self._owner())
