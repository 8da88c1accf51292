"""Tracebacks as logs show them: without this room's frames, and of very long ones both ends."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from traceback import FrameSummary, StackSummary, TracebackException
from typing import Any, Final

from ..exceptions import FlowsError

_FIRST: Final = 20  # lines
_LAST: Final = 60
_OURS: Final = str(Path(__file__).parents[1])


def is_ours(frame: FrameSummary) -> bool:
    """Tell whether a frame is of this room, whose lines tell nobody what to mend."""
    return frame.filename.startswith(_OURS)


class ShortTracebacks(logging.Formatter):
    """Formats records as its base does, and no traceback longer than a person reads."""

    def format(self, record: logging.LogRecord) -> str:
        others, record.exc_text = record.exc_text, None  # as another handler's formatter left it
        try:
            return super().format(record)
        finally:
            record.exc_text = others

    def formatException(self, ei: Any) -> str:
        told = TracebackException(*ei)
        for each in _chain(told):
            each.stack = StackSummary.from_list(_worth_reading(each.stack, ei[1]))
        lines = "".join(told.format()).splitlines()
        left_out = len(lines) - _FIRST - _LAST
        if left_out > 1:
            lines[_FIRST:-_LAST] = [f"  … {left_out:,} lines …"]
        return "\n".join(lines)


def _chain(told: TracebackException) -> Iterator[TracebackException]:
    """Yield an exception, and those that it came of or holds; each is there once."""
    waiting: list[TracebackException | None] = [told]
    while waiting:
        if (found := waiting.pop()) is not None:
            yield found
            waiting += [found.__cause__, found.__context__, *(found.exceptions or ())]


def _worth_reading(frames: StackSummary, error: BaseException) -> list[FrameSummary]:
    """Leave out the way through this room; the end of it stays, unless the error says it all."""
    theirs = [place for place, frame in enumerate(frames, 1) if not is_ours(frame)]
    end = theirs[-1] if theirs else 0
    rest = [] if isinstance(error, FlowsError) else frames[end:]
    return [frame for frame in frames[:end] if not is_ours(frame)] + rest
