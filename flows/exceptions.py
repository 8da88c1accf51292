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


class InvalidDeployment(TerminalFlowsError):
    """A deployment breaks a rule of its format; the message names each field."""


class NotCompleted(TerminalFlowsError):
    """A result was asked for of a run that did not complete."""


class UpstreamFailed(TerminalFlowsError):
    """A task was not run, because one whose result it needs did not complete."""


class NotTriggered(UpstreamFailed):
    """A task was not run, because its trigger rule was not met; nothing that it needs failed."""


class OutsideRun(TerminalFlowsError):
    """This works only inside of a flow run."""


class MappingError(TerminalFlowsError):
    """``map`` got no iterable, or iterables of different lengths."""


class TimedOut(RetryableFlowsError, TimeoutError):
    """A flow or task took longer than its ``timeout_seconds``."""


class RunLost(TerminalFlowsError):
    """The store says that the run is not this process's any more, so nothing may go on."""


class Interrupted(BaseException):
    """The process was asked to stop; like KeyboardInterrupt, so that few catch it by accident."""
