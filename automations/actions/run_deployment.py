"""The run-deployment action: starts a run of a deployment."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from upshot.events.ids import derived_id

from ..exceptions import TemplateFailed
from ..templates.data import TemplateData, render_data
from ..templates.template import Template
from .base import BaseAction, Variables


class RunDeployment(BaseAction):
    """Starts a run of a deployment.

    Attributes:
        deployment: its name (``flow/deployment``) or id.
        parameters: the flow's parameters, over the deployment's own; a lone ``{{ expression }}``
            keeps its type.
    """

    type: ClassVar[str] = "run-deployment"

    deployment: Template
    parameters: dict[str, TemplateData] = Field(default_factory=dict)

    def arguments(self, variables: Variables) -> dict[str, Any]:
        """Return ``deployment`` and ``parameters``."""
        deployment = self.deployment.render_text(variables).strip()
        if not deployment:
            raise TemplateFailed("deployment: comes out empty")
        parameters = render_data(self.parameters, variables)
        return {"deployment": deployment, "parameters": parameters}


def run_id(firing: str, index: int) -> str:
    """Return the id of the run that the action at ``index`` of a firing starts, always the same."""
    return derived_id("run", firing, str(index))
