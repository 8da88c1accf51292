"""The resume-flow-run action: lets a paused flow run go on."""

from __future__ import annotations

from typing import Any, ClassVar

from ..templates import Template
from .base import Variables
from .concerning import OfFlowRun


class ResumeFlowRun(OfFlowRun):
    """Lets a paused flow run go on.

    Attributes:
        message: why, for people.
    """

    type: ClassVar[str] = "resume-flow-run"

    message: Template | None = None

    def arguments(self, variables: Variables) -> dict[str, Any]:
        """Return ``flow_run`` (its id, without a prefix) and ``message``."""
        message = self.message.render_text(variables) if self.message else ""
        return {**super().arguments(variables), "message": message}
