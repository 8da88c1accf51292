"""Makes runs of deployments: what a run takes over from its deployment as that is now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..calls.parameters import require_fitting
from ..states import State
from .flowrun import DEFAULT_POOL, DEFAULT_QUEUE, FlowRun, new_run


def run_of(
    deployment: Mapping[str, Any],
    parameters: Mapping[str, Any],
    *,
    message: str = "",
    tags: Iterable[str] = (),
    **more: Any,
) -> FlowRun:
    """Return a run of a deployment, Scheduled, as it is put into the store.

    A run keeps the version that it was made of: also when it is retried later.

    Args:
        deployment: its definition, as the store has it.
        parameters: those that differ from the deployment's. tags: besides the deployment's.

    Raises:
        InvalidParameters: naming one that a run can't carry.
    """
    name: str = deployment["name"]
    together = {**(deployment.get("parameters") or {}), **parameters}
    require_fitting(together)
    return new_run(
        name.partition("/")[0],
        state=State("Scheduled", message),
        deployment=name,
        entrypoint=deployment["entrypoint"],
        pool=deployment.get("work_pool") or DEFAULT_POOL,
        queue=deployment.get("queue") or DEFAULT_QUEUE,
        parameters=together,
        tags=tuple(dict.fromkeys([*(deployment.get("tags") or ()), *tags])),
        launch=launch_of(deployment),
        **more,
    )


def launch_of(deployment: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a deployment says of its runs' processes; nothing where it says nothing."""
    source, version = deployment.get("source"), version_of(deployment)
    told = {"version": version, "source": source, "job": deployment.get("job")}
    return {name: value for name, value in told.items() if value}


def version_of(deployment: Mapping[str, Any]) -> str:
    """Return what names the version of a deployment's code; empty where nothing does."""
    source = deployment.get("source") or {}
    pinned = str(source.get("commit") or source.get("digest") or "")[:12]
    return str(deployment.get("version") or pinned)
