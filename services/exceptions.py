"""Every error of the services room: one base, retryable and terminal ones named apart."""

from __future__ import annotations


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
