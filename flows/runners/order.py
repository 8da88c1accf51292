"""A task's function as another process runs it: packed here, run there, unpacked here again.

What the function's code logs, emits or has tasks do there is put into the journal here. What it
asks of the store goes there directly.
"""

from __future__ import annotations

import asyncio
import pickle
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NoReturn

from upshot.events.store import SyncStore

from ..calls.generating import consumed
from ..calls.timeouts import call_within
from ..context import Here, RunContext, Scope, standing
from ..exceptions import FailedElsewhere, OutsideRun, Unpicklable
from ..journal.held import HeldRun
from ..logs.capturing import capture
from ..results.formats import ResultFiles
from ..runs.flowrun import FlowRun
from ..taskruns.taskrun import TaskHead, TaskRun
from .opening import RunPool
from .shipping import Shipped, ship

if TYPE_CHECKING:
    from upshot.events.keys import Keys

    from ..definitions.taskdef import Task


@dataclass(frozen=True, slots=True)
class Said:
    """Something that is to be put into the journal; the parts are those of ``Journal.put``."""

    kind: str
    event: bytes
    task_run: str
    record: bytes


@dataclass(frozen=True, slots=True)
class Done:
    """How the function ended: with what it returned, or the error that it raised."""

    value: Any = None
    error: BaseException | None = None

    def result(self) -> Any:
        """Return what it returned, or raise what it raised."""
        if self.error is not None:
            raise self.error
        return self.value


@dataclass(frozen=True, slots=True)
class Order:
    """What another process needs to run a task's function.

    Attributes:
        attempt: how often it was started, this time included. path: where modules are found.
        assets: that it materialises.
    """

    function: Shipped
    is_async: bool
    arguments: tuple[tuple[Any, ...], dict[str, Any]]
    seconds: float | None
    run: FlowRun
    task: str
    tags: tuple[str, ...]
    task_run: tuple[str, str, str]
    attempt: int
    prints: bool
    files: ResultFiles
    store_url: str
    assets: tuple[str, ...]


def pack(task: Task[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], place: Here) -> bytes:
    """Return the order to run a task's function.

    Raises:
        Unpicklable: naming the parameter, or the function.
    """
    made, context = place.task, place.context
    if made is None:
        raise OutsideRun(f"{task.name} is not called from a flow")
    order = Order(
        ship(task.body if task.is_generator else task.fn),
        task.is_async,
        (args, kwargs),
        task.timeout_seconds,
        context.flow_run,
        task.name,
        made.tags,
        (made.id, made.key, made.name),
        made.attempt,
        place.log_prints,
        context.files,
        context.journal.store.url,
        tuple(asset.key for asset in task.assets),
    )
    try:
        return _dumped((sys.path, _dumped(order)))
    except Exception as error:  # noqa: BLE001 - pickling runs code of the values' own
        raise _explained(task, args, kwargs, error) from None


def _dumped(value: Any) -> bytes:
    import cloudpickle

    body: bytes = cloudpickle.dumps(value)
    return body


def _explained(
    task: Task[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], error: Exception
) -> Unpicklable:
    """Find out what it is that can not be pickled."""
    for name, value in task.signature.bind(args, kwargs).items():
        try:
            _dumped(value)
        except Exception as its:  # noqa: BLE001 - as above
            return Unpicklable(f"{name}: can not be sent to another process: {its}")
    return Unpicklable(f"task {task.name} can not be sent to another process: {error}")


class Relay:
    """Stands for the journal in the other process.

    Args:
        say: takes what is to be put into the journal. store_url: of the store.
    """

    lease_ms = 0

    def __init__(self, say: Callable[[Said], None], store_url: str) -> None:
        self._say, self._url = say, store_url
        self._connection: SyncStore | None = None

    def put(
        self, held: HeldRun, kind: str, event: bytes, *, task_run: str = "", record: bytes = b""
    ) -> None:
        self._say(Said(kind, event, task_run, record))

    def is_me(self) -> bool:
        return False

    def flush(self) -> None: ...

    @property
    def store(self) -> SyncStore:
        if self._connection is None:
            self._connection = SyncStore(self._url)
        return self._connection

    @property
    def keys(self) -> Keys:
        return self.store.keys

    def call(self, function: str, *arguments: Any) -> Any:
        return self.store.call(function, *arguments)

    def execute(self, *command: Any) -> Any:
        return self.store.execute(*command)

    def hold(self, run: FlowRun) -> NoReturn:
        raise OutsideRun("a task in another process can't call a flow; let the flow call it")


def unpack(packed: bytes) -> Order:
    """Return an order, once its modules can be found."""
    path, body = pickle.loads(packed)
    sys.path.extend(folder for folder in path if folder not in sys.path)
    order: Order = pickle.loads(body)
    return order


def execute(packed: bytes, say: Callable[[Said], None]) -> Done:
    """Run an order in this process; return how it ended.

    Args:
        say: takes what is to be put into the journal, in order.
    """
    try:
        return _executed(unpack(packed), say)
    except BaseException as error:  # noqa: BLE001 - it is raised where the task was called
        return Done(error=_told(error))


def _executed(order: Order, say: Callable[[Said], None]) -> Done:
    place = _place(order, Relay(say, order.store_url))
    args, kwargs = order.arguments
    with capture(place.context, strays=False), standing(place):
        try:
            value = call_within(order.seconds, _called, (order, args, kwargs), {})
            return Done(consumed(value))
        finally:
            place.context.pool.drain()
            place.context.pool.close()


def _called(order: Order, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    function = order.function.load()
    if not order.is_async:
        return function(*args, **kwargs)
    return asyncio.run(function(*args, **kwargs))


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


def packed_done(done: Done) -> bytes:
    """Return how it ended as it can travel; what can not becomes an error that says so."""
    try:
        return _dumped(done)
    except Exception as error:  # noqa: BLE001 - pickling runs code of the values' own
        kind = type(done.value if done.error is None else done.error).__name__
        if done.error is not None:
            return _dumped(replace(done, error=FailedElsewhere(f"{kind}: {done.error}")))
        problem = f"its result, a {kind}, can not be sent to another process: {error}"
        return _dumped(Done(error=Unpicklable(problem)))
