"""Every error of the services room: one base, retryable and terminal ones named apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


class ServicesError(Exception):
    """A service could not do what it was asked."""


class RetryableServicesError(ServicesError):
    """Trying the same again later may succeed."""


class TerminalServicesError(ServicesError):
    """Trying the same again can never succeed."""


class Overloaded(RetryableServicesError):
    """More waits to be written than may wait; nothing of the request was taken."""


class Exposed(TerminalServicesError):
    """The API would be open to the network without a token."""


class AddressInUse(TerminalServicesError):
    """The API can't listen where it should."""


class WrongSignature(TerminalServicesError):
    """A delivery is not signed as its webhook demands."""


class Refused(TerminalServicesError):
    """A request can't be served as it is; it becomes the answer.

    Attributes:
        status: the HTTP status code.
        kind: what is wrong, in a word or two, as the last part of the problem's type.
        detail: what is wrong, where, and what to do.
        errors: one entry for each wrong field.
        headers: further headers of the answer.
    """

    def __init__(
        self,
        status: int,
        kind: str,
        detail: str,
        *,
        errors: list[dict[str, object]] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.detail = detail
        self.errors = errors
        self.headers = headers


class PlanOutdated(TerminalServicesError):
    """The definitions are no longer those that a plan was made for; nothing was changed."""


class UnreadableDefinition(TerminalServicesError):
    """Another version of Upshot has stored a definition that this one can't read."""


class VersionMismatch(TerminalServicesError):
    """A definition is at another version than the one that was to be changed.

    Attributes:
        version: the one it is at; 0 where there is none.
    """

    def __init__(self, message: str, version: int) -> None:
        super().__init__(message)
        self.version = version


class NoShadow(TerminalServicesError):
    """An automation was to be promoted, and acts already."""


class ServerUnreachable(RetryableServicesError):
    """No Upshot answers at the address, or it went away while answering."""


class RequestFailed(RetryableServicesError):
    """The API could not do what it was asked (5xx); the same may work later."""


class RequestRefused(TerminalServicesError):
    """The API refused a request (4xx); the message says why.

    Attributes:
        errors: what is wrong with each field, as the problem document tells it.
        status: the HTTP status code; 0 where what answers is no Upshot.
    """

    def __init__(
        self, message: str, errors: Sequence[Mapping[str, object]] = (), status: int = 0
    ) -> None:
        super().__init__(message)
        self.errors = errors
        self.status = status


class NoStore(TerminalServicesError):
    """A service was to join a store, but no address was given and none runs here."""


class TryFailed(RetryableServicesError):
    """A try of an action failed; a later one may succeed.

    Attributes:
        retry_after: seconds that the receiver asks to wait.
        answered: whether the receiver answered at all.
        done: parts of the action that are done and need no further try.
    """

    def __init__(
        self,
        message: str,
        *,
        retry_after: float | None = None,
        answered: bool = False,
        done: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.answered = answered
        self.done = done


class LaneFull(RetryableServicesError):
    """The receiver is busy with as much as it may be sent at a time; this was no try."""


class ActionFailed(TerminalServicesError):
    """An action can't succeed until somebody mends something; the message says what."""


class NeverFinished(ActionFailed):
    """An action was begun again and again, alone, and no dispatcher lived to finish it."""


class DemoFailed(TerminalServicesError):
    """Something that the demo expects did not happen."""


class HistoryUnavailable(RetryableServicesError):
    """The database of the recorded past can't be reached, read or written now."""


class HistoryTooNew(TerminalServicesError):
    """A newer Upshot has changed the database of the recorded past."""


class HistoryMoved(RetryableServicesError):
    """Another archiver has written to the database meanwhile."""


class CannotLaunch(TerminalServicesError):
    """A run can get no process, as its deployment and work pool are; the message says why."""
