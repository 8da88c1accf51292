"""What a run finds around it in a process that is used again, and how that is set back after it.

Environment, working folder, file mode mask, signals and timers, standard streams and logging are as
before the first run; processes that a run has left end. Threads can't be ended: they are told of.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from typing import Any, Final

from upshot.flows.logs.capturing import set_level

from .trees import clear, is_childless

_PATIENCE: Final = 2.0
_TIMERS: Final = (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)
_STREAMS: Final = ("stdin", "stdout", "stderr")

_log = logging.getLogger(__name__)


class Surroundings:
    """The surroundings as they are now."""

    def __init__(self) -> None:
        self._folder = os.getcwd()  # noqa: PTH109 - a plain text is all that is needed
        self._variables = dict(os.environ)
        self._streams = {name: getattr(sys, name) for name in _STREAMS}
        self._umask = os.umask(0o077)
        os.umask(self._umask)
        self._signals, self._logging = _Signals(), _Logging()
        self._threads = threading.active_count()

    def restored(self) -> bool:
        """Make it so again; tell whether that could be done."""
        self._signals.restore()
        if not is_childless() and not clear(_PATIENCE):
            _log.warning("processes that a run has left can't be ended")
        os.chdir(self._folder)
        os.umask(self._umask)
        if os.environ != self._variables:
            os.environ.clear()
            os.environ.update(self._variables)
        for name, stream in self._streams.items():
            setattr(sys, name, stream)
        self._logging.restore()
        return threading.active_count() <= self._threads


class _Signals:
    """What happens at signals, and which are held back; timers do not go on."""

    def __init__(self) -> None:
        self._handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}
        self._blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())

    def restore(self) -> None:
        for timer in _TIMERS:
            signal.setitimer(timer, 0)
        for number, handler in self._handlers.items():
            if signal.getsignal(number) is not handler:
                signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, self._blocked)


class _Logging:
    """Where all that is logged goes, and which loggers say nothing."""

    def __init__(self) -> None:
        root = logging.getLogger()
        self._level, self._handlers = root.level, list(root.handlers)
        self._disabled = root.manager.disable
        self._heard = [each for each in _loggers(root.manager) if not each.disabled]

    def restore(self) -> None:
        root = logging.getLogger()
        set_level(root, self._level)
        root.handlers[:] = self._handlers
        logging.disable(self._disabled)
        for logger in self._heard:
            logger.disabled = False


def _loggers(manager: Any) -> list[logging.Logger]:
    known = manager.loggerDict.values()
    return [each for each in known if isinstance(each, logging.Logger)]
