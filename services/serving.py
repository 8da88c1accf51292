"""Runs services in the foreground, several in one event loop; the children of `up` are this.

A service is a coroutine ``run(settings, store_url, …)`` that works until it is cancelled and then
ends in order; cancelled once more, it hurries. SIGTERM and SIGINT cancel all of them.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import importlib
import os
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any, Final, TypeAlias

import structlog

from upshot.events.data_folder import find_running
from upshot.events.exceptions import EventsError
from upshot.events.settings import Settings, WrongSetting, load_settings

from .exceptions import NoStore, ServicesError

SERVICES: Final = ("api", "engine", "dispatcher", "scheduler", "archiver", "worker")
_MAIN: Final = {"api": "server"}
_INTERRUPTED: Final = 130
_PATIENT_SIGNALS: Final = 2
_COLLECT_AFTER: Final = 100_000
"""New objects after which the garbage collector looks at them: batches in hand have fewer."""

log = structlog.stdlib.get_logger(__name__)

Run: TypeAlias = Coroutine[Any, Any, None]


@dataclass(frozen=True, slots=True)
class Options:
    """What only some services take.

    Attributes:
        pool, worker_name: of the worker; an empty name lets it choose one.
        listen_fd: a socket that listens already, for the API to take.
    """

    pool: str = "default"
    worker_name: str = ""
    listen_fd: int | None = None


def store_address(settings: Settings) -> str:
    """Return the address of the store to join: the one that is set, or the one that runs here.

    Raises:
        NoStore: there is neither.
    """
    url = settings.redis_url or find_running(settings.data_dir)
    if url is None:
        raise NoStore(
            f"no store runs in {settings.data_dir}: start `upshot up` there, "
            "or name a server in UPSHOT_REDIS_URL"
        )
    return url


def serve(services: Sequence[str], settings: Settings, options: Options) -> None:
    """Run these services until a signal ends them.

    Raises:
        NoStore: there is no store to join.
        ServicesError, EventsError: what made one of them fail; the others were ended.
    """
    url = store_address(settings)

    def load(service: str) -> Callable[[], Run]:
        start = _starter(service, settings, url, options)
        _settle(settings, "+".join(services))
        return start

    first, *others = services
    starts = [load(first), *later(others, load)]
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(together(starts))


def later(
    services: Sequence[str], load: Callable[[str], Callable[[], Run]]
) -> list[Callable[[], Run]]:
    """Return what loads and starts each of these, one after another beside those that run.

    Loading takes a second all together: the engine, say, need not wait for the others' libraries.
    """
    one_at_a_time = asyncio.Lock()

    async def start(service: str) -> None:
        async with one_at_a_time:
            run = await asyncio.to_thread(load, service)
        await run()

    return [partial(start, service) for service in services]


def _settle(settings: Settings, name: str) -> None:
    """Put logging and memory in order after something was loaded.

    Libraries set up loggers of their own when they load, and ours come last.
    """
    from .logs import configure

    configure(settings, name)
    _settle_memory()


def _settle_memory() -> None:
    """Keep the garbage collector from what stays, and from looking at each small batch of work.

    At the default of 700 new objects it takes a quarter of a busy service's time, and as long as
    batches in hand set it off a tenth: it finds nothing in them, for they end without its help.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER)


def _starter(service: str, settings: Settings, url: str, options: Options) -> Callable[[], Run]:
    """Return what starts a service; only what runs here is imported."""
    importlib.import_module(f"upshot.services.{service}.{_MAIN.get(service, 'service')}")
    run = importlib.import_module(f"upshot.services.{service}").run
    if service == "api":
        return lambda: run(settings, url, sockets=_given_socket(options.listen_fd))
    if service == "worker":
        return lambda: run(settings, url, options.pool, options.worker_name or None)
    return lambda: run(settings, url)


def _given_socket(descriptor: int | None) -> list[socket.socket] | None:
    return None if descriptor is None else [socket.socket(fileno=descriptor)]


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    import uvloop

    return uvloop.new_event_loop


async def together(starts: Sequence[Callable[[], Run]]) -> None:
    """Run all until one ends or a signal comes; then end all of them in order."""
    tasks = [asyncio.ensure_future(start()) for start in starts]
    asked = _cancel_on_signals(tasks)
    done, others = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in () if asked.is_set() else others:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        if not task.cancelled():
            task.result()


def _cancel_on_signals(tasks: Sequence[asyncio.Future[None]]) -> asyncio.Event:
    """Cancel the services at a signal, once more at the second one, and at the third just exit.

    Returns:
        What is set from the first signal on.
    """
    signals, asked = count(1), asyncio.Event()

    def heard() -> None:
        asked.set()
        if next(signals) > _PATIENT_SIGNALS:
            os._exit(_INTERRUPTED)
        for task in tasks:
            task.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, heard)
    return asked


def main(arguments: list[str] | None = None) -> int:
    """Run the services named in ``arguments``; return the exit code."""
    parser = argparse.ArgumentParser(prog="upshot serve", description=__doc__)
    parser.add_argument("services", nargs="+", choices=SERVICES)
    parser.add_argument("--pool", default="default")
    parser.add_argument("--name", default="")
    parser.add_argument("--listen-fd", type=int)
    given = parser.parse_args(arguments)
    options = Options(given.pool, given.name, given.listen_fd)
    try:
        serve(given.services, load_settings(), options)
    except (ServicesError, EventsError) as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - the command's own message
        return 2 if isinstance(error, WrongSetting) else 1
    except Exception:  # a fault of ours: into the log in full, like all that happens to a service
        log.exception("service failed")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
