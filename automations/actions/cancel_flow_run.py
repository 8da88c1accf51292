"""The cancel-flow-run action: asks a flow run to stop."""

from __future__ import annotations

from typing import Any, ClassVar

from ..templates import Template
from .base import Variables
from .concerning import OfFlowRun


class CancelFlowRun(OfFlowRun):
    """Cancels a flow run; one that has ended stays as it is.

    Attributes:
        message: why, for people.
    """

    type: ClassVar[str] = "cancel-flow-run"

    message: Template | None = None

    def arguments(self, variables: Variables) -> dict[str, Any]:
        """Return ``flow_run`` (its id, without a prefix) and ``message``."""
        message = self.message.render_text(variables) if self.message else ""
        return {**super().arguments(variables), "message": message}
