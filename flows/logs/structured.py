"""Leads what users log with structlog into the logs of their runs, unless they configured it."""

from __future__ import annotations

import sys
from collections.abc import MutableMapping
from typing import Any, Final

_MARK: Final = "leads_to_runs"


def lead_structlog() -> None:
    """Have structlog write through the standard library, where it is loaded and not set up."""
    structlog = sys.modules.get("structlog")
    is_configured = getattr(structlog, "is_configured", None)
    if structlog is None or is_configured is None or is_configured():
        return
    factory = structlog.stdlib.LoggerFactory()
    setattr(factory, _MARK, True)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.filter_by_level,
            structlog.processors.format_exc_info,
            _as_text,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=factory,
        cache_logger_on_first_use=False,
    )


def release_structlog() -> None:
    """Leave it as it was before, unless somebody configured it meanwhile."""
    structlog = sys.modules.get("structlog")
    if structlog is None or not hasattr(structlog, "get_config"):
        return
    if getattr(structlog.get_config()["logger_factory"], _MARK, False):
        structlog.reset_defaults()


def _as_text(_: Any, __: str, said: MutableMapping[str, Any]) -> str:
    """Return what was logged as a line: the event, then each value by its name."""
    event, exception = said.pop("event", ""), said.pop("exception", None)
    line = " ".join([str(event), *(f"{name}={value!r}" for name, value in said.items())])
    return f"{line}\n{exception}" if exception else line
