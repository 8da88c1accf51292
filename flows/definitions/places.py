"""Tells where in the user's code an error was raised that kept a flow from being loaded."""

from __future__ import annotations

import traceback

from ..calls.outcomes import explain
from ..exceptions import FlowsError
from ..logs.tracebacks import is_ours


def why_not_loaded(error: BaseException) -> str:
    """Return the error of a module that could not be imported, with the file and the line."""
    text = explain(error)
    if isinstance(error, FlowsError):
        return text  # it says itself where
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__}: {error.msg} ({error.filename}, line {error.lineno})"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_theirs(frame)]
    place = f" ({frames[-1].filename}, line {frames[-1].lineno})" if frames else ""
    missing = isinstance(error, ModuleNotFoundError)
    return text + place + ("; install it where the flow runs" if missing else "")


def _is_theirs(frame: traceback.FrameSummary) -> bool:
    return not is_ours(frame) and not frame.filename.startswith("<frozen ")
