"""Runs tasks on a Dask cluster, one that is there or one of the run's own; ``upshot[dask]``."""

from __future__ import annotations

import asyncio
import logging
import pickle
from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from ..calls.interrupting import raise_in
from ..context import Here
from ..exceptions import ClusterUnavailable, Interrupted, MissingExtra, ProcessDied, WrongArgument
from ..given import DICT, FUNCTION, TEXT, maybe, require, wrong
from .base import Pool
from .executing import execute, packed_done
from .nested import Nested
from .order import Done, Said, pack
from .pools import ElsewherePool

if TYPE_CHECKING:
    from distributed import Client, Worker

    from ..definitions.taskdef import Task

_CLEANS_SECONDS: Final = 2.0
_CLOSING_SECONDS: Final = 5.0
_PATIENCE: Final = 60.0
"""Seconds: to a cluster that can never reach the store, that seems to be away for a while."""


class DaskTaskRunner:
    """Runs submitted tasks on a Dask cluster.

    Each task is led through its states by the flow's process; its function alone runs on a worker
    of the cluster. When a worker dies, the cluster runs what it ran on another one. What is given
    to a task and what it returns travels through the flow's process, pickled.

    Args:
        cluster: one that is there, such as a ``LocalCluster``; it is left as it is.
        address: of the scheduler of one that is there.
        cluster_class: makes a cluster for each flow run, closed at its end; a ``LocalCluster`` by
            default. cluster_kwargs: what it is called with.
        client_kwargs: of ``distributed.Client``.

    Raises:
        MissingExtra: the package ``distributed`` is not installed.
        WrongArgument: more than one of cluster, address and cluster_class, or what is none.
    """

    def __init__(
        self,
        cluster: Any = None,
        *,
        address: str | None = None,
        cluster_class: Callable[..., Any] | None = None,
        cluster_kwargs: Mapping[str, Any] | None = None,
        client_kwargs: Mapping[str, Any] | None = None,
    ) -> None:
        if sum(given is not None for given in (cluster, address, cluster_class)) > 1:
            raise WrongArgument("give one of cluster, address and cluster_class")
        require(maybe(TEXT), address=address)
        require(maybe(FUNCTION), cluster_class=cluster_class)
        require(maybe(DICT), cluster_kwargs=cluster_kwargs, client_kwargs=client_kwargs)
        if cluster is not None and not hasattr(cluster, "scheduler_address"):
            raise wrong("cluster", cluster, "must be a cluster of Dask")
        _require()
        self._cluster, self._address, self._class = cluster, address, cluster_class
        self._cluster_kwargs = dict(cluster_kwargs or {})
        self._client_kwargs = dict(client_kwargs or {})

    def open(self) -> Pool:
        return ElsewherePool(Workers(*self._found(), self._client_kwargs), None)

    def _found(self) -> tuple[Any, str]:
        """Return a cluster that was made for this run, if so, and the scheduler's address."""
        if self._address is not None:
            return None, self._address
        if self._cluster is not None:
            return None, self._cluster.scheduler_address
        from distributed import LocalCluster

        _hush(self._cluster_kwargs.get("silence_logs", logging.WARNING))
        made = (self._class or LocalCluster)(**self._cluster_kwargs)
        return made, made.scheduler_address


class Workers:
    """The workers of a cluster, as those who run functions.

    Args:
        cluster: closed in the end, if not None. address: of the scheduler.
    """

    def __init__(self, cluster: Any, address: str, client_kwargs: dict[str, Any]) -> None:
        self._cluster, self._address, self._kwargs = cluster, address, client_kwargs
        self._opening: asyncio.Task[Client] | None = None
        self._numbers = count()

    async def call(
        self, task: Task[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], place: Here
    ) -> Any:
        """Run a task's function on a worker; return what it returns.

        Raises:
            Unpicklable: an argument can not be sent; names it.
            ProcessDied: the workers that ran it kept dying.
            ClusterUnavailable: there is no cluster, or not any more.
        """
        from distributed import KilledWorker
        from distributed.client import ClosedClientError, FutureCancelledError

        order = pack(task, args, kwargs, place)
        client = await self._opened()
        key = f"{task.name}-{place.task.id if place.task else ''}-{next(self._numbers)}"
        try:
            said, done = pickle.loads(await _told(client, order, key))
        except KilledWorker as error:
            raise ProcessDied(f"the workers that ran it died: {error}") from None
        except (FutureCancelledError, ClosedClientError):
            lost = f"the Dask cluster at {self._address} was lost meanwhile"
            raise ClusterUnavailable(lost) from None
        nested = Nested(place)
        for each in said:
            nested.put(each)
        nested.close()
        ended: Done = pickle.loads(done)
        return ended.result()

    async def _opened(self) -> Client:
        """Return the connection, anew where it was lost; all that wait for it share its failure."""
        if self._opening is None or _is_over(self._opening):
            self._opening = asyncio.create_task(self._connect())
        return await asyncio.shield(self._opening)

    async def _connect(self) -> Client:
        from distributed import Client

        try:
            made: Client = await Client(self._address, asynchronous=True, **self._kwargs)
        except OSError as error:
            nobody = f"no Dask cluster can be reached at {self._address}: {error}"
            raise ClusterUnavailable(nobody) from error
        return made

    async def close(self) -> None:
        if self._opening is not None:
            await _left(self._opening)
        if self._cluster is not None:
            await asyncio.to_thread(self._cluster.close, _CLOSING_SECONDS)


def _is_over(opening: asyncio.Task[Client]) -> bool:
    if not opening.done():
        return False
    failed = opening.cancelled() or opening.exception() is not None
    return failed or opening.result().status == "closed"


async def _left(opening: asyncio.Task[Client]) -> None:
    """Close a connection, or leave off making it."""
    opening.cancel()
    await asyncio.wait([opening])
    if not _is_over(opening):
        closing: Any = opening.result().close(_CLOSING_SECONDS)
        await closing


async def _told(client: Client, order: bytes, key: str) -> bytes:
    """Have a worker execute an order; return what it tells of it.

    When it is not wanted any more, the function is interrupted, and gets some time to clean up.
    """
    from distributed import wait

    future = client.submit(_run, order, key=key, pure=False)
    try:
        told: bytes = await future
        return told
    except asyncio.CancelledError:
        if client.status == "running":
            with suppress(TimeoutError):
                async with asyncio.timeout(_CLEANS_SECONDS):
                    await client.run(_interrupt, key, on_error="ignore")
                    await wait(future)
            await future.cancel()
        raise
    finally:
        future.release()


def _interrupt(key: str, dask_worker: Worker) -> None:
    """Raise in the function of an order where this worker runs it, so that it cleans up."""
    with dask_worker.active_threads_lock:
        for thread, running in dask_worker.active_threads.items():
            if running == key:
                raise_in(thread, Interrupted)


def _run(order: bytes) -> bytes:
    """Execute an order on a worker; return what it said and how it ended."""
    said: list[Said] = []
    done = packed_done(execute(order, said.append, patience=_PATIENCE))
    return pickle.dumps((said, done))


def _hush(level: int) -> None:
    """Keep what a cluster tells of itself out of the run's log, as Dask does for the terminal."""
    if level:
        logging.getLogger("distributed").setLevel(level)


def _require() -> None:
    from importlib.util import find_spec

    if find_spec("distributed") is None:
        raise MissingExtra("DaskTaskRunner needs more: pip install 'upshot[dask]'")
