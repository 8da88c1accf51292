"""Every error of the flows room: one base, retryable and terminal ones named apart."""

from __future__ import annotations


class FlowsError(Exception):
    """Something about a flow or a run went wrong."""


class RetryableFlowsError(FlowsError):
    """Trying the same again later may succeed."""


class TerminalFlowsError(FlowsError):
    """Trying the same again can never succeed."""


class WrongArgument(TerminalFlowsError, ValueError, TypeError):
    """An argument is none that the function takes; the message names it, and what is wanted."""


class InvalidParameters(TerminalFlowsError):
    """The parameters do not fit the flow's signature; the message names each."""


class WrongFields(TerminalFlowsError):
    """Something has fields that are wrong; the message names each.

    Args:
        wrong: field, such as ``parameters.order``, and what is wrong with it.
    """

    def __init__(self, wrong: list[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{field}: {message}" for field, message in wrong))
        self.wrong = wrong


class WrongParameters(InvalidParameters, WrongFields):
    """A deployment's flow does not take these parameters; the message names each."""


class EntrypointNotFound(TerminalFlowsError):
    """No flow is at ``path.py:function``."""


class NotRetryable(TerminalFlowsError):
    """The run is not in a state from which it can be retried."""


class NotPausable(TerminalFlowsError):
    """The run has ended or is about to, so it can't be paused."""


class NotResumable(TerminalFlowsError):
    """The run does not wait for anybody to resume it."""


class InvalidInput(WrongFields):
    """What a paused run was resumed with is not what it asks for; the message names each field."""


class FlowPauseTimeout(TerminalFlowsError, TimeoutError):
    """Nobody resumed a paused flow run in time."""


class LimitTimeout(RetryableFlowsError, TimeoutError):
    """No slot of a limit became free in time."""


class LimitTooSmall(TerminalFlowsError):
    """More slots were asked for than the limit has in all."""


class NoLimit(TerminalFlowsError):
    """No limit of that name is there, and ``strict`` wants one."""


class InvalidWait(TerminalFlowsError):
    """A flow waits for an event in a way that can't be understood; the message names the field."""


class EventTimeout(TerminalFlowsError, TimeoutError):
    """The event that a flow waited for did not come in time."""


class NoSuchTask(TerminalFlowsError):
    """A run has called no task of this name; the message lists those that it called."""


class InvalidDeployment(TerminalFlowsError):
    """A deployment breaks a rule of its format; the message names each field."""


class InvalidJob(TerminalFlowsError):
    """The job variables of a deployment do not fit its work pool; the message names each."""


class SourceUnavailable(RetryableFlowsError):
    """The code of a deployment could not be fetched; the message says from where and why."""


class DeploymentNotFound(TerminalFlowsError):
    """No deployment has this name."""


class NotCompleted(TerminalFlowsError):
    """A result was asked for of a run that did not complete."""


class FailedRun(NotCompleted):
    """A result was asked for of a run that failed."""


class CrashedRun(NotCompleted):
    """A result was asked for of a run that crashed."""


class CancelledRun(NotCompleted):
    """A result was asked for of a run that was cancelled, or is about to be."""


class UnfinishedRun(NotCompleted):
    """A result was asked for of a run that has not ended."""


class MissingResult(NotCompleted):
    """A result was asked for that is not kept, of a run that completed."""


class UpstreamFailed(TerminalFlowsError):
    """A task was not run, because one whose result it needs did not complete."""


class NotTriggered(UpstreamFailed):
    """A task was not run, because its trigger rule was not met; nothing that it needs failed."""


class OutsideRun(TerminalFlowsError, RuntimeError):
    """This works only inside of a flow run."""


class MappingError(TerminalFlowsError):
    """``map`` got no iterable, or iterables of different lengths."""


class Unhashable(TerminalFlowsError):
    """A value can be no part of a cache key; the message names the parameter."""


class ResultNotKept(TerminalFlowsError):
    """A result that was to be kept could not be; the message says of what, where and why."""


class ResultDamaged(TerminalFlowsError):
    """A kept result is not what was written; the message says where it lies."""


class TransactionFailed(TerminalFlowsError):
    """A transaction could not go on, and what it had done was undone."""


class NotUndone(TerminalFlowsError):
    """What an open transaction did can't be undone here; the message says why."""


class NotUndoable(TerminalFlowsError):
    """The run is not one whose open transaction can be undone now; the message says what to do."""


class InvalidVariable(TerminalFlowsError, ValueError):
    """A variable has no name that it can have."""


class VariableExists(TerminalFlowsError, ValueError):
    """A variable was to be set anew, but has a value already."""


class InvalidArtifact(TerminalFlowsError, ValueError):
    """An artifact breaks a rule of its kind, or is too large; the message names the field."""


class InvalidAsset(TerminalFlowsError, ValueError):
    """An asset, or what is said of one, breaks a rule; the message names the field."""


class AssetCheckFailed(RetryableFlowsError):
    """A blocking check of an asset failed, so what needs the asset is not run."""


class MissingExtra(TerminalFlowsError):
    """A package that only an extra of Upshot installs is not there."""


class Unpicklable(TerminalFlowsError):
    """Something can not be sent to another process; the message names what."""


class OtherCode(TerminalFlowsError):
    """Another process has other code than the flow has under that name; the message names both."""


class FailedElsewhere(FlowsError):
    """A task failed in another process, with an error that can't be sent; the message tells it."""


class ProcessDied(RetryableFlowsError):
    """The process that ran a task died."""


class ClusterUnavailable(RetryableFlowsError):
    """A cluster that runs tasks can't be reached, or was lost."""


class TimedOut(RetryableFlowsError, TimeoutError):
    """A flow or task took longer than its ``timeout_seconds``."""


class Suspending(BaseException):
    """The process of a paused run leaves; raised where the run's code gets to its next boundary.

    Args:
        run_id: of the run, which may be one that the raising code's run is a part of.
    """

    def __init__(self, run_id: str) -> None:
        super().__init__(f"flow run {run_id} is paused")
        self.run_id = run_id


class Interrupted(BaseException):
    """The process was asked to stop; like KeyboardInterrupt, so that few catch it by accident."""
