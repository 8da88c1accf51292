"""Serves flows: a worker for their deployments' pool, in the foreground, until interrupted."""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

from upshot.events.ids import derived_id
from upshot.events.processes import GuardedProcess

from ..exceptions import InvalidDeployment
from ..given import Kind, maybe, require, whole
from ..runs.flowrun import DEFAULT_POOL
from .deployment import Deployment
from .making import check_deployments, deploy
from .remote import BACKGROUND_POOL

if TYPE_CHECKING:
    from ..definitions.taskdef import Task

_PASSED_ON: Final = (signal.SIGINT, signal.SIGTERM)
_STDERR: Final = 2
_LIMIT: Final = maybe(whole(1, 1024))  # as of workers
_LONGEST: Final = 128  # as names of pools may be


def serve(*deployments: Deployment, limit: int | None = None) -> int:
    """Deploy flows and run their runs here until interrupted; return the worker's exit code.

    Args:
        deployments: as ``Flow.to_deployment`` makes them. limit: how many runs run at a time.

    Raises:
        InvalidDeployment: there is none, something else was given, or two of a name.
        WrongArgument: the limit is no such number.
        StoreUnavailable: no service runs that could keep them.
    """
    require(_LIMIT, limit=limit)
    if not deployments:
        raise InvalidDeployment("serve() needs a deployment at least: flow.to_deployment(name)")
    check_deployments("serve", deployments)
    chosen = {each.work_pool for each in deployments} - {DEFAULT_POOL}
    pool = chosen.pop() if len(chosen) == 1 else _pool_of(deployments)
    deploy(*deployments, work_pool_name=pool)
    return serve_pool(pool, limit)


def _pool_of(deployments: Sequence[Deployment]) -> str:
    """Return the pool that the same deployments are always served from."""
    names = sorted(each.name for each in deployments)
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", names[0])
    pool = f"served-{plain}"
    if len(names) == 1 and plain == names[0].replace("/", "-") and len(pool) <= _LONGEST:
        return pool
    return f"{pool[: _LONGEST - 9]}-{derived_id('served', *names)[:8]}"


def serve_tasks(*tasks: Task[..., Any], limit: int | None = None) -> int:
    """Run background tasks here until interrupted; return the worker's exit code.

    Args:
        tasks: which should be among them; the worker takes any. limit: how many run at a time.

    Raises:
        EntrypointNotFound: one stands in no file that the worker could load.
        WrongArgument: one is no task, or the limit no such number.
    """
    from ..definitions.taskdef import Task

    require(_LIMIT, limit=limit)
    for task in tasks:
        require(Kind("a task", lambda given: isinstance(given, Task)), tasks=task)
        _ = task.entrypoint
    return serve_pool(BACKGROUND_POOL, limit)


def serve_pool(pool: str, limit: int | None = None) -> int:
    """Run a worker for a pool; return its exit code.

    It gets the signals that this process gets, of which the first lets it finish what it runs; and
    it never outlives this process.
    """
    command = [sys.executable, "-m", "upshot.services.cli", "worker", "start", "--pool", pool]
    if limit is not None:
        command += ["--concurrency", str(limit)]
    worker = GuardedProcess(command, output=_STDERR)
    with _passing_on(worker):
        code = worker.wait()
    return 0 if code is None else code


@contextmanager
def _passing_on(worker: GuardedProcess) -> Iterator[None]:
    def pass_on(number: int, _frame: FrameType | None) -> None:
        worker.send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in _PASSED_ON}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
