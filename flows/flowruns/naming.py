"""Gives a run that a worker has begun the name and the tags that its flow's code says.

Who asked for the run knew neither: they are in the code, which only its process loads.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..context import standing
from ..exceptions import InvalidParameters
from ..names import run_name
from ..runs.transitions import name_arguments
from .execution import Execution

if TYPE_CHECKING:
    from ..definitions.flowdef import Flow


def name_run(execution: Execution, flow: Flow[..., Any]) -> None:
    """Name a run as its flow says, where nobody has given it a name, and add the flow's tags.

    Raises:
        Exception: the flow's template, or its function, does not work.
    """
    held = execution.context.held
    tags = tuple(sorted({*held.run.tags, *flow.tags})) if flow.tags else held.run.tags
    named = replace(held.run, name=_name(execution, flow), tags=tags)
    if named != held.run:
        execution.context.journal.call("name_run", *name_arguments(named))
        held.run = named


def _name(execution: Execution, flow: Flow[..., Any]) -> str:
    run = execution.context.flow_run
    if flow.flow_run_name is None or run.name != run_name(run.id):
        return run.name
    try:
        bound = flow.bind(*flow.checked((), run.parameters))
    except (InvalidParameters, TypeError):  # the attempt that follows says so
        return run.name
    with standing(execution.here()):
        return flow.run_name(bound) or run.name
