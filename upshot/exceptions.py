"""Errors of flows, where users of Prefect import them from, and by the names they know."""

from upshot.events.exceptions import NotFound as NotFound
from upshot.flows.exceptions import (
    CancelledRun as CancelledRun,
    CrashedRun as CrashedRun,
    FailedRun as FailedRun,
    FlowPauseTimeout as FlowPauseTimeout,
    FlowsError as FlowsError,
    InvalidParameters as InvalidParameters,
    MappingError as MappingError,
    MissingResult as MissingResult,
    NotCompleted as NotCompleted,
    OutsideRun as OutsideRun,
    TimedOut as TimedOut,
    UnfinishedRun as UnfinishedRun,
    UpstreamFailed as UpstreamFailed,
    WrongArgument as WrongArgument,
)

PrefectException = FlowsError
ObjectNotFound = NotFound
ParameterTypeError = InvalidParameters
MappingLengthMismatch = MappingMissingIterable = MappingError
ParameterBindError = SignatureMismatchError = TypeError  # as of any function
FlowRunWaitTimeout = TimeoutError
MissingContextError = OutsideRun
UpstreamTaskError = UpstreamFailed
