"""Performs notify: hands messages to receivers through Apprise, which blocks, in own threads."""

from __future__ import annotations

import asyncio
import logging
import re
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from upshot.events.exceptions import NotFound

from ...exceptions import ActionFailed, TryFailed
from ..known import KnownDefinitions
from ..performing import Job, Receiver
from .reasons import reason
from .watched import watched

THREADS: Final = 32
PLACES: Final = 8
"""Messages that one receiver may be handed at a time."""
_TYPES: Final = {
    "info": "info",
    "success": "success",
    "warning": "warning",
    "error": "failure",
    "critical": "failure",
}
_STATUS: Final = re.compile(r"error=(\d{3})\b")
_WORTH_RETRYING: Final = frozenset({408, 425, 429})


class Notifier:
    """Notifies receivers.

    Args:
        definitions: where receivers are.
        allow_private: whether private and loopback addresses may be reached.
    """

    type = "notify"

    def __init__(self, definitions: KnownDefinitions, *, allow_private: bool) -> None:
        self._definitions = definitions
        self._allow_private = allow_private
        self._threads = ThreadPoolExecutor(THREADS, "notify")
        self._overheard = Overheard()

    def receiver(self, arguments: dict[str, Any]) -> Receiver | None:
        return Receiver("receiver " + ", ".join(arguments["to"]), PLACES)

    async def perform(self, arguments: dict[str, Any], job: Job) -> str:
        names = [name for name in arguments["to"] if name not in job.done]
        urls = [await self._url(name) for name in names]
        tries = [
            self._hand(name, url, arguments, job.key) for name, url in zip(names, urls, strict=True)
        ]
        results = await asyncio.gather(*tries, return_exceptions=True)
        failures = [result for result in results if isinstance(result, BaseException)]
        if failures:
            told = [name for name, result in zip(names, results, strict=True) if result is None]
            raise _together(failures, (*job.done, *told))
        return "told " + ", ".join(arguments["to"])

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._overheard.close()

    async def _url(self, name: str) -> str:
        try:
            return str((await self._definitions.find("receiver", name))["url"])
        except NotFound as error:
            raise ActionFailed(str(error)) from error

    async def _hand(self, name: str, url: str, arguments: dict[str, Any], key: str) -> None:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._threads, self._blocking, name, url, arguments, key)

    def _blocking(self, name: str, url: str, arguments: dict[str, Any], key: str) -> None:
        import apprise  # slow to load: paid by the first notification, not by each start

        service = apprise.Apprise.instantiate(url, suppress_exceptions=True)
        if service is None:
            raise ActionFailed(f"the address of receiver {name!r} can't be used")
        # Where the service sends headers, its receiver can tell a repeated message by the key.
        headers = getattr(service, "headers", None)
        if isinstance(headers, dict):
            headers.setdefault("Idempotency-Key", key)
        body = arguments["body"] or arguments["title"]
        title = arguments["title"] if arguments["body"] else ""
        kind = apprise.NotifyType(_TYPES[arguments["severity"]])
        with self._overheard as said, watched(allow_private=self._allow_private) as watch:
            taken = service.notify(body=body, title=title, notify_type=kind)
        if watch.refused:
            raise ActionFailed(f"receiver {name!r}: the address is not allowed: {watch.refused}")
        if not taken:
            raise refused(name, said, self._overheard.met)


class Overheard(logging.Handler):
    """Hears what Apprise logs in the present thread: it tells failures in no other way.

    Nothing of it is passed on but HTTP statuses, and of which kind the error was that it met: the
    rest may hold parts of a secret address.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._here = threading.local()
        self._logger = logging.getLogger("apprise")
        self._logger.addHandler(self)
        self._logger.propagate = False

    def __enter__(self) -> list[str]:
        self._here.said, self._here.met = [], None
        return self._here.said  # type: ignore[no-any-return]

    def __exit__(self, *error: object) -> None:
        del self._here.said

    @property
    def met(self) -> str | None:
        """Why the last message of this thread did not arrive, as far as an error told."""
        return getattr(self._here, "met", None)

    def emit(self, record: logging.LogRecord) -> None:
        said = getattr(self._here, "said", None)
        if said is not None:
            said.append(record.getMessage())
            self._here.met = reason(sys.exception()) or self._here.met

    def close(self) -> None:
        self._logger.removeHandler(self)
        super().close()


def refused(name: str, said: list[str], met: str | None = None) -> ActionFailed | TryFailed:
    """Return what it means that a receiver did not take a message.

    Args:
        said: what Apprise logged. met: which error it met.
    """
    statuses = [int(found[1]) for line in said if (found := _STATUS.search(line))]
    if not statuses:
        why = met or "it did not say why"
        return TryFailed(f"receiver {name!r} did not take the message: {why}")
    status = statuses[-1]
    text = f"receiver {name!r} answered {status}"
    if 400 <= status < 500 and status not in _WORTH_RETRYING:
        return ActionFailed(text)
    return TryFailed(text, answered=True)


def _together(failures: list[BaseException], done: tuple[str, ...]) -> BaseException:
    """Return one failure for all, retryable as soon as one is; ``done`` is not told again."""
    for failure in failures:
        if not isinstance(failure, ActionFailed | TryFailed):
            return failure
    text = "; ".join(str(failure) for failure in failures)
    tries = [failure for failure in failures if isinstance(failure, TryFailed)]
    if not tries:
        return ActionFailed(text)
    return TryFailed(text, answered=any(each.answered for each in tries), done=done)
