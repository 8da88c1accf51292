"""The retry-flow-run action: runs a flow run again, from where it failed."""

from __future__ import annotations

from typing import ClassVar

from .concerning import OfFlowRun


class RetryFlowRun(OfFlowRun):
    """Runs a flow run again.

    Attributes:
        flow_run: its id; by default the flow run that the event is about, or is related to.
    """

    type: ClassVar[str] = "retry-flow-run"
