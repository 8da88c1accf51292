"""Keeps what flows return: in the run's record, or, where a run of a flow needs it, in a file."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from upshot.events.store import Argument

from ..calls.outcomes import explain
from ..context import RunContext
from ..exceptions import ResultNotKept
from ..logs.capturing import run_logger
from ..states import State
from .formats import Kept, ResultFiles, keep, restore
from .hashing import hash_code

if TYPE_CHECKING:
    from ..definitions.flowdef import Flow
    from ..journal.journal import Journal
    from ..runs.flowrun import FlowRun

MAX_RESULT_BYTES: Final = 256 * 1024
"""Larger results do not stand in the run's record."""

Fields = dict[str, Argument]


def keep_result(
    flow: Flow[..., Any], context: RunContext, value: Any
) -> tuple[Kept | None, Fields]:
    """Return a flow's result for the run's record, and other fields of it.

    The run of a part is kept in a file where it does not fit the record, so that a retry of the
    run that called it need not run it again.

    Raises:
        ResultNotKept: the flow's ``persist_result`` says that it must be, and it can't.
    """
    if flow.persist_result is False:
        return None, {}
    try:
        kept = keep(value, flow.fn, flow.result_serializer or "json")
        if kept is None and flow.persist_result:
            raise ValueError(f"JSON does not give this {type(value).__name__} back")
        if kept is None or _fits(flow, kept):
            return kept, {"code": hash_code(flow.fn)} if context.parent is not None else {}
        return None, _in_file(flow, context, kept)
    except Exception as error:
        message = f"the result of flow run {context.flow_run.name} is not kept: {explain(error)}"
        if flow.persist_result:
            raise ResultNotKept(message) from error
        run_logger().warning("%s", message)
        return None, {}


def _fits(flow: Flow[..., Any], kept: Kept) -> bool:
    chosen = flow.result_storage is not None
    return kept.is_json and len(kept.body) <= MAX_RESULT_BYTES and not chosen


def _in_file(flow: Flow[..., Any], context: RunContext, kept: Kept) -> Fields:
    if context.parent is None and not flow.persist_result:
        return {}
    files = ResultFiles(str(flow.result_storage)) if flow.result_storage else context.files
    context.journal.execute("SADD", context.journal.keys("files", context.id), files.url)
    path = files.path(context.id, f"{context.id}{kept.suffix}")
    ResultFiles.write(path, kept.body)
    told = {"result_path": path, "result_digest": kept.digest}
    return {"checkpoint": kept.form, **told, "code": hash_code(flow.fn)}


def restored(journal: Journal, flow: Flow[..., Any], run: FlowRun) -> State | None:
    """Return how a part ended in an earlier attempt, with its result; None: it is to run again."""
    key = journal.keys("run", run.id)
    body, form, path, digest, code = journal.execute(
        "HMGET", key, "result", "checkpoint", "result_path", "result_digest", "code"
    )
    if not form:
        return None
    if code and code.decode() != hash_code(flow.fn):
        run_logger().warning("flow %s: its code changed since; run again", flow.name)
        return None
    pickled = (flow.result_serializer or "").endswith("pickle")
    try:
        kept = Kept(form.decode(), body)
        if path:
            written = digest.decode() if digest else None
            kept = ResultFiles.read(kept.form, path.decode(), written)
        return replace(run.state, data=restore(kept, flow.fn, pickled=pickled))
    except Exception as error:  # noqa: BLE001 - each kind of storage has errors of its own
        run_logger().warning(
            "flow %s: its result is gone (%s); run again", flow.name, explain(error)
        )
        return None
