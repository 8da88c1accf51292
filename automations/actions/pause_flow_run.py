"""The pause-flow-run action: holds a flow run at its next task."""

from __future__ import annotations

from typing import ClassVar

from .concerning import ChangingFlowRun


class PauseFlowRun(ChangingFlowRun):
    """Pauses a flow run: it goes on from where it was once it is resumed."""

    type: ClassVar[str] = "pause-flow-run"
