"""Every error of the events room: one base, retryable and terminal ones named apart."""

from __future__ import annotations


class EventsError(Exception):
    """Something in the log or its store went wrong."""


class RetryableEventsError(EventsError):
    """Trying the same again later may succeed."""


class TerminalEventsError(EventsError):
    """Trying the same again can never succeed."""


class StoreUnavailable(RetryableEventsError):
    """The store can't be reached; it may be restarting."""


class StoreFull(RetryableEventsError):
    """The store is out of memory or disk; nothing was written."""


class Conflict(RetryableEventsError):
    """The record changed since it was read: read it again and decide anew."""


class LimitReached(Conflict):
    """As many are under way as a limit allows; the message names it."""


class StaleEpoch(TerminalEventsError):
    """The writer lost its lease to another one and may not write any more."""


class IllegalTransition(TerminalEventsError):
    """The state machine has no such transition."""


class NotFound(TerminalEventsError):
    """No record of that id or name exists."""


class InvalidEvent(TerminalEventsError):
    """The event breaks a rule of its format; the message names the field."""


class StoreUnsuitable(TerminalEventsError):
    """The server at the address can't keep Upshot's promises; the message says what to change."""


class DataFolderLocked(TerminalEventsError):
    """Another Upshot already serves this data folder."""
