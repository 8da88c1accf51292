"""Tells what the flow of a deployment takes, where its code is at hand."""

from __future__ import annotations

import inspect
import logging
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from upshot.events.exceptions import EventsError

from .files import changed_at, own_files
from .keeping import keep_here, known_here, now_ms
from .known import HOUR_MS, MOST_FILES, Known, is_pinned
from .making import schema_of

if TYPE_CHECKING:
    from upshot.events.store import SyncStore

    from ..definitions.flowdef import Flow
    from ..journal.journal import Journal
    from ..runs.flowrun import FlowRun

_NOT_THEIRS: Final = frozenset({"upshot", "__main__"})

_log = logging.getLogger(__name__)


def told_of(flow: Flow[..., Any], source: Mapping[str, Any] | None) -> Known:
    """Return what can be told of a flow that this process has loaded.

    Args:
        source: of its deployment, where the code comes from one.
    """
    files = [] if source else _files_of(flow)
    return Known(takes=schema_of(flow), files=files, at=now_ms())


def _files_of(flow: Flow[..., Any]) -> list[tuple[str, int]]:
    others = {name for name in sys.modules if name.partition(".")[0] in _NOT_THEIRS}
    code = getattr(inspect.unwrap(flow.fn), "__code__", None)
    own = [] if code is None else [code.co_filename]
    paths = dict.fromkeys([*own, *sorted(own_files(others))])
    found = [(path, changed_at(path)) for path in paths]
    return [each for each in found if each[1]][:MOST_FILES]


def tell_of_run(store: SyncStore | Journal, run: FlowRun, flow: Flow[..., Any]) -> None:
    """Tell what the flow of a run takes, unless that is known; the run goes on in any case."""
    if run.deployment is None:
        return
    source = run.launch.get("source")
    deployment = {"name": run.deployment, "entrypoint": run.entrypoint, "source": source}
    try:
        known = known_here(store, deployment)
        if known is not None and _is_new_enough(known, flow, source):
            return
        keep_here(store, deployment, told_of(flow, source))
    except (EventsError, ValueError) as error:
        _log.warning("what %s takes is not told: %s", run.deployment, error)


def _is_new_enough(known: Known, flow: Flow[..., Any], source: Mapping[str, Any] | None) -> bool:
    if source:
        return is_pinned(source)
    return known.files == _files_of(flow) and now_ms() - known.at < HOUR_MS // 2
