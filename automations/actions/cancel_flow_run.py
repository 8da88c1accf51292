"""The cancel-flow-run action: asks a flow run to stop."""

from __future__ import annotations

from typing import ClassVar

from .concerning import ChangingFlowRun


class CancelFlowRun(ChangingFlowRun):
    """Cancels a flow run; one that has ended stays as it is."""

    type: ClassVar[str] = "cancel-flow-run"
