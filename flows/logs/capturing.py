"""Logs of runs: what flows log and print goes through the journal to the store, and to stderr.

The way of a line: the standard library's loggers, structlog or ``print`` → is there room for it? →
the journal of the run that said it → the store, which keeps the newest of each run.
"""

from __future__ import annotations

import builtins
import functools
import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from ..context import RunContext, here
from ..exceptions import OutsideRun
from .flood import ORDINARY, URGENT, Allowance
from .structured import lead_structlog, release_structlog
from .tracebacks import ShortTracebacks

if TYPE_CHECKING:
    from ..taskruns.taskrun import TaskRun

MAX_MESSAGE: Final = 16 * 1024
"""Characters; the rest of a longer message is cut off."""

_FLOW: Final = logging.getLogger("upshot.flow_run")
_TASK: Final = logging.getLogger("upshot.task_run")
_OWN: Final = "upshot.flows."  # what the machinery says about itself belongs to no run
_quiet: Final[ContextVar[bool]] = ContextVar("upshot_quiet", default=False)
_LINE: Final = "%(asctime)s.%(msecs)03d | %(levelname)-7s | %(run)s - %(message)s"


def get_run_logger() -> logging.LoggerAdapter[logging.Logger]:
    """Return the logger of the flow or task run that calls.

    Raises:
        OutsideRun: no run is under way here.
    """
    place = here()
    if place is None and _quiet.get():
        return logging.LoggerAdapter(_silent(), {})
    if place is None:
        raise OutsideRun("get_run_logger() works inside of a flow or task run only")
    return logging.LoggerAdapter(run_logger(), {"flow_run": place.context.flow_run.name})


@contextmanager
def disable_run_logger() -> Iterator[None]:
    """Let code that asks for its run's logger be called outside of runs; nothing is logged then."""
    token = _quiet.set(True)
    try:
        yield
    finally:
        _quiet.reset(token)


def _silent() -> logging.Logger:
    logger = logging.Logger("upshot.outside_of_runs")  # noqa: LOG001 - nobody else is to have it
    logger.disabled = True
    return logger


def run_logger() -> logging.Logger:
    """Return the plain logger for where the code stands."""
    place = here()
    return _FLOW if place is None or place.task is None else _TASK


class RunLogHandler(logging.Handler):
    """Puts each record into the journal of the run that logged it.

    Args:
        context: the outermost run. strays: take records of threads that stand in no run as well.
    """

    def __init__(self, context: RunContext, *, strays: bool) -> None:
        super().__init__()
        self.setFormatter(ShortTracebacks())
        self._journal = context.journal
        self._outermost = context
        self._stray = context if strays else None
        now = time.monotonic()
        self._ordinary, self._urgent = Allowance(ORDINARY, now), Allowance(URGENT, now)
        self.addFilter(lambda record: not record.name.startswith(_OWN))

    def emit(self, record: logging.LogRecord) -> None:
        place = here()
        context = place.context if place is not None else self._stray
        if context is None or context.journal is not self._journal or self._journal.is_me():
            return
        room = self._urgent if record.levelno >= logging.WARNING else self._ordinary
        if not room.admits(time.monotonic()):
            return
        task = place.task if place is not None else None
        try:
            line = _line(record.levelname, record.name, self.format(record), task)
        except Exception:  # noqa: BLE001 - a message that can't be formatted; logging's own way
            self.handleError(record)
            return
        self._tell_dropped(context, room.spend(len(line)))
        self._journal.put(context.held, "log", line)

    def finish(self) -> None:
        """Say how many lines were dropped in the end."""
        for room in (self._ordinary, self._urgent):
            self._tell_dropped(self._outermost, room.dropped())

    def _tell_dropped(self, context: RunContext, dropped: int) -> None:
        if dropped:
            told = f"{dropped:,} lines are not kept: too much was logged at once"
            self._journal.put(context.held, "log", _line("WARNING", _FLOW.name, told, None))


def _line(level: str, logger: str, message: str, task: TaskRun | None) -> bytes:
    from pydantic_core import to_json

    if len(message) > MAX_MESSAGE:
        message = f"{message[:MAX_MESSAGE]} … ({len(message) - MAX_MESSAGE:,} characters more)"
    legible = message.encode("utf-8", "replace").decode()
    made = {"level": level.lower(), "logger": logger, "message": legible}
    return to_json({**made, "task": task and task.name, "task_run": task and task.id})


@contextmanager
def capture(context: RunContext, *, strays: bool) -> Iterator[None]:
    """Capture what is logged and printed while an outermost run is under way.

    Args:
        strays: take what threads without a run log for this run's, as in a process of its own.
    """
    root = logging.getLogger()
    level = _level()
    mine = RunLogHandler(context, strays=strays)
    handlers: list[logging.Handler] = [mine]
    before = root.level
    if not root.handlers:
        handlers.append(_console(context))
        set_level(root, level)
    for logger in (_FLOW, _TASK):
        set_level(logger, level)
    for handler in handlers:
        root.addHandler(handler)
    _capture_prints()
    lead_structlog()
    try:
        with _listening_to_more(mine):
            yield
    finally:
        for handler in handlers:
            root.removeHandler(handler)
        mine.finish()
        if not any(isinstance(handler, RunLogHandler) for handler in root.handlers):
            set_level(root, before)  # else another thread captures for a run of its own
            release_structlog()


def set_level(logger: logging.Logger, level: int) -> None:
    """Set a logger's level, where it has another one: all loggers forget then what they know."""
    if logger.level != level:
        logger.setLevel(level)


@contextmanager
def _listening_to_more(handler: logging.Handler) -> Iterator[None]:
    """Let a handler listen to the loggers of ``UPSHOT_EXTRA_LOGGERS``: those that it would miss."""
    named = [each.partition(":") for each in os.environ.get("UPSHOT_EXTRA_LOGGERS", "").split(",")]
    loggers = {logging.getLogger(name.strip()): level for name, _, level in named if name.strip()}
    levels = {logger: logger.level for logger in loggers}
    for logger, level in loggers.items():
        if level:
            logger.setLevel(level.strip().upper())
        if not logger.propagate:
            logger.addHandler(handler)
    try:
        yield
    finally:
        for logger, before in levels.items():
            logger.removeHandler(handler)
            logger.setLevel(before)


def _level() -> int:
    name = os.environ.get("UPSHOT_LOG_LEVEL", "info").upper()
    return logging.getLevelNamesMapping().get(name, logging.INFO)


def _console(context: RunContext) -> logging.Handler:
    console = logging.StreamHandler()
    console.setFormatter(ShortTracebacks(_LINE, datefmt="%H:%M:%S"))

    def name(record: logging.LogRecord) -> bool:
        place = here()
        run = (place.context if place is not None else context).flow_run.name
        record.run = f"{run}/{place.task.name}" if place is not None and place.task else run
        return True

    console.addFilter(name)
    return console


def _capture_prints() -> None:
    """Let ``print`` ask where it stands; it stays so, and prints as ever outside of runs."""
    plain = builtins.print
    if getattr(plain, "logs_for_runs", False):
        return

    @functools.wraps(plain)
    def show(*values: Any, sep: str | None = " ", end: str | None = "\n", **rest: Any) -> None:
        place = here()
        if place is None or not place.log_prints or rest.get("file") not in {None, sys.stdout}:
            plain(*values, sep=sep, end=end, **rest)
            return
        text = (" " if sep is None else sep).join(str(value) for value in values)
        run_logger().info("%s", text)

    show.logs_for_runs = True  # type: ignore[attr-defined]
    builtins.print = show
