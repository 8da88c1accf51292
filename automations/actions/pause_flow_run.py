"""The pause-flow-run action: holds a flow run at its next task."""

from __future__ import annotations

from typing import Any, ClassVar

from ..templates import Template
from .base import Variables
from .concerning import OfFlowRun


class PauseFlowRun(OfFlowRun):
    """Pauses a flow run: it goes on from where it was once it is resumed.

    Attributes:
        message: why, for people.
    """

    type: ClassVar[str] = "pause-flow-run"

    message: Template | None = None

    def arguments(self, variables: Variables) -> dict[str, Any]:
        """Return ``flow_run`` (its id, without a prefix) and ``message``."""
        message = self.message.render_text(variables) if self.message else ""
        return {**super().arguments(variables), "message": message}
