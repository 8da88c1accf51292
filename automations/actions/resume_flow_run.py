"""The resume-flow-run action: lets a paused flow run go on."""

from __future__ import annotations

from typing import Any, ClassVar

from ..templates.data import TemplateData, render_data
from .base import Variables
from .concerning import ChangingFlowRun


class ResumeFlowRun(ChangingFlowRun):
    """Lets a paused flow run go on.

    Attributes:
        input: what the run asks for, where it asks; a lone ``{{ expression }}`` keeps its type.
    """

    type: ClassVar[str] = "resume-flow-run"

    input: TemplateData = None

    def arguments(self, variables: Variables) -> dict[str, Any]:
        """Return ``flow_run`` (its id, without a prefix), ``message``, and ``input`` if given."""
        told = super().arguments(variables)
        given = render_data(self.input, variables)
        return told if given is None else {**told, "input": given}
