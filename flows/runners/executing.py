"""What another process does with an order: it runs the function, and tells how that ended.

What the function's code logs, emits or has tasks do there is said to the flow's process, which puts
it into the journal. What it asks of the store goes there directly.
"""

from __future__ import annotations

import pickle
import sys
import traceback
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

from upshot.events.store import SyncStore

from ..aside import called
from ..calls.generating import consumed
from ..calls.timeouts import call_within
from ..context import Here, RunContext, Scope, standing
from ..exceptions import FailedElsewhere, OutsideRun, Unpicklable
from ..journal.held import HeldRun
from ..journal.patience import PatientStore
from ..logs.capturing import capture
from ..runs.flowrun import FlowRun
from ..taskruns.taskrun import TaskHead, TaskRun
from .opening import RunPool
from .order import Done, Order, Said
from .shipping import dumped

if TYPE_CHECKING:
    from upshot.events.keys import Keys


def execute(packed: bytes, say: Callable[[Said], None], *, patience: float | None = None) -> Done:
    """Run an order in this process; return how it ended.

    Args:
        say: takes what is to be put into the journal, in order.
        patience: seconds to wait at most for a store that is away; None waits as long as it takes.
    """
    try:
        return _executed(_unpack(packed), say, patience)
    except BaseException as error:  # noqa: BLE001 - it is raised where the task was called
        return Done(error=_told(error))


def _executed(order: Order, say: Callable[[Said], None], patience: float | None) -> Done:
    relay = Relay(say, order.store_url, patience)
    place = _place(order, relay)
    args, kwargs = order.arguments
    with capture(place.context, strays=False), standing(place):
        try:
            value = call_within(order.seconds, called, (order.function.load(), *args), kwargs)
            return Done(consumed(value))
        finally:
            place.context.pool.drain()
            place.context.pool.close()
            relay.close()


def _unpack(packed: bytes) -> Order:
    """Return an order, once its modules can be found."""
    path, body = pickle.loads(packed)
    sys.path.extend(folder for folder in path if folder not in sys.path)
    order: Order = pickle.loads(body)
    return order


def _place(order: Order, relay: Any) -> Here:
    context = RunContext(HeldRun(order.run), relay, order.files, RunPool())
    context.label = f"{order.task_run[2]}."
    head = TaskHead(order.run, order.task, order.tags)
    identity, key, name = order.task_run
    made = TaskRun(context, head, task_run_id=identity, key=key, name=name, code="")
    made.attempt = order.attempt
    # What it calls is told apart by the attempt: no other process knows what an earlier one did.
    scope = Scope(f"{identity}/{order.run.attempt}/{order.attempt}")
    described = None
    if order.assets:
        from ..data.materializing import Relayed

        described = Relayed(order.assets)
    return Here(context, scope, made, log_prints=order.prints, described=described)


def _told(error: BaseException) -> BaseException:
    """Return an error as it can travel, with the traceback that it has here."""
    lines = "".join(traceback.format_exception(error))
    error.add_note(f"In the other process:\n{lines}")
    return error.with_traceback(None)


class Relay:
    """Stands for the journal in the other process.

    Args:
        say: takes what is to be put into the journal. store_url: of the store.
        patience: seconds to wait at most for a store that is away; None for ever.
    """

    lease_ms = 0

    def __init__(
        self, say: Callable[[Said], None], store_url: str, patience: float | None = None
    ) -> None:
        self._say, self._url, self._patience = say, store_url, patience

    def put(
        self, held: HeldRun, kind: str, event: bytes, *, task_run: str = "", record: bytes = b""
    ) -> None:
        self._say(Said(kind, event, task_run, record))

    def is_me(self) -> bool:
        return False

    def flush(self) -> None: ...

    @cached_property
    def store(self) -> SyncStore:
        return SyncStore(self._url)

    @cached_property
    def _patient(self) -> PatientStore:
        return PatientStore(self.store, self._patience)

    @property
    def keys(self) -> Keys:
        return self.store.keys

    def call(self, function: str, *arguments: Any) -> Any:
        return self._patient.call(function, *arguments)

    def execute(self, *command: Any) -> Any:
        return self._patient.execute(*command)

    def close(self) -> None:
        """Close the connection, if it was needed."""
        if "store" in vars(self):
            self.store.close()

    def hold(self, run: FlowRun) -> NoReturn:
        raise OutsideRun("a task in another process can't call a flow; let the flow call it")


def packed_done(done: Done) -> bytes:
    """Return how it ended as it can travel; what can not becomes an error that says so."""
    try:
        return dumped(done)
    except Exception as error:  # noqa: BLE001 - pickling runs code of the values' own
        kind = type(done.value if done.error is None else done.error).__name__
        if done.error is not None:
            return dumped(replace(done, error=FailedElsewhere(f"{kind}: {done.error}")))
        problem = f"its result, a {kind}, can not be sent to another process: {error}"
        return dumped(Done(error=Unpicklable(problem)))
