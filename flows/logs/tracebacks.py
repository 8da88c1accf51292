"""Tracebacks as logs show them: of very long ones the beginning and the end."""

from __future__ import annotations

import logging
from typing import Any, Final

_FIRST: Final = 20  # lines
_LAST: Final = 60


class ShortTracebacks(logging.Formatter):
    """Formats records as its base does, and no traceback longer than a person reads."""

    def format(self, record: logging.LogRecord) -> str:
        others, record.exc_text = record.exc_text, None  # as another handler's formatter left it
        try:
            return super().format(record)
        finally:
            record.exc_text = others

    def formatException(self, ei: Any) -> str:
        lines = super().formatException(ei).splitlines()
        left_out = len(lines) - _FIRST - _LAST
        if left_out > 1:
            lines[_FIRST:-_LAST] = [f"  … {left_out:,} lines …"]
        return "\n".join(lines)
