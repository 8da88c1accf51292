"""Every error of the flows room: one base, retryable and terminal ones named apart."""

from __future__ import annotations


class FlowsError(Exception):
    """Something about a flow or a run went wrong."""


class RetryableFlowsError(FlowsError):
    """Trying the same again later may succeed."""


class TerminalFlowsError(FlowsError):
    """Trying the same again can never succeed."""


class InvalidParameters(TerminalFlowsError):
    """The parameters do not fit the flow's signature; the message names each."""


class EntrypointNotFound(TerminalFlowsError):
    """No flow is at ``path.py:function``."""


class NotRetryable(TerminalFlowsError):
    """The run is not in a state from which it can be retried."""
