"""Performs run-deployment: the run's id follows from the firing, so there is only ever one."""

from __future__ import annotations

from typing import Any

from upshot.automations.actions.run_deployment import run_id
from upshot.events.exceptions import NotFound
from upshot.events.store import Store
from upshot.flows.runs.deployed import run_of
from upshot.flows.runs.registry import Runs
from upshot.flows.schemas.keeping import require_taken

from ...exceptions import ActionFailed
from ..known import KnownDefinitions
from ..performing import Job, Receiver


class RunDeployment:
    """Creates a flow run of a deployment.

    Args:
        store: where it is known what flows take. runs: where it goes. definitions: where
            deployments are.
    """

    type = "run-deployment"

    def __init__(self, store: Store, runs: Runs, definitions: KnownDefinitions) -> None:
        self._store = store
        self._runs = runs
        self._definitions = definitions

    def receiver(self, arguments: dict[str, Any]) -> Receiver | None:
        return None

    async def perform(self, arguments: dict[str, Any], job: Job) -> str:
        deployment = await self._deployment(arguments["deployment"])
        run = run_of(
            deployment,
            arguments["parameters"],
            message="an automation runs it",
            run_id=run_id(job.firing, job.index),
            caused_by=job.triggered,
            causation=job.causation,
        )
        await require_taken(self._store, deployment, arguments["parameters"], run.id)
        await self._runs.create(run)
        return f"flow-run.{run.id} ({run.name})"

    async def _deployment(self, wanted: str) -> dict[str, Any]:
        """Return a deployment by its name or id."""
        try:
            return await self._definitions.find("deployment", wanted)
        except NotFound as error:
            raise ActionFailed(str(error)) from error
