"""Upshot's own log: structlog for all services, with the standard library's loggers led into it."""

from __future__ import annotations

import logging
import sys
from typing import Any, Final

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from upshot.events.settings import Settings

_QUIET: Final = ("uvicorn", "aiohttp.access", "asyncio", "faststream")
"""Loggers that tell of each request, start or callback: shown from their warnings on."""


def configure(settings: Settings, service: str) -> None:
    """Set up logging for this process; whoever calls last wins.

    Lines are JSON, or for people on a terminal. What is bound with ``structlog.contextvars``
    (``run``, ``event``, ``firing``) stands in each line. ``service`` names the process.
    """
    level = getattr(logging, settings.log_level.upper())
    shared = _shared(service)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_formatter(settings, shared))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    _lead_others_here()


def _shared(service: str) -> list[Processor]:
    def name_service(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
        line.setdefault("service", service)
        return line

    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        name_service,
    ]


def _formatter(settings: Settings, shared: list[Processor]) -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            *_rendering(settings),
        ],
    )


def _rendering(settings: Settings) -> list[Any]:
    """Return the last steps: JSON with the traceback as text, or colours on a terminal."""
    people = settings.log_format == "console"
    if settings.log_format == "auto":
        people = sys.stderr.isatty()
    if people:
        # The plain traceback: the rich one renders all locals and takes seconds for it.
        plain = structlog.dev.plain_traceback
        return [
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)
        ]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=str)]


def _lead_others_here() -> None:
    """Take away the handlers that libraries set up, so that each line is written once."""
    for name in list(logging.root.manager.loggerDict):
        found = logging.getLogger(name)
        if name.partition(".")[0] in ("uvicorn", "faststream", "aiohttp", "apscheduler"):
            found.handlers.clear()
            found.propagate = True
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
