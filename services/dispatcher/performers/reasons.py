"""Says why a message did not arrive, from the error that a service met; pure.

Only the kind of an error is told: what an error says may hold parts of a secret address.
"""

from __future__ import annotations

import os
import smtplib
import socket
import ssl
from collections.abc import Iterator


def reason(error: BaseException | None) -> str | None:
    """Return in a few words why, as far as the error or what caused it tells; None without one."""
    causes = list(_causes(error))
    for each in reversed(causes):
        if (told := _told(each)) is not None:
            return told
    return type(causes[0]).__name__ if causes else None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error, what caused it, and so on."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _told(error: BaseException) -> str | None:
    if isinstance(error, socket.gaierror):
        return "its host's name can't be resolved"
    if isinstance(error, ssl.SSLCertVerificationError):
        return "its certificate is not trusted"
    if isinstance(error, ssl.SSLError):
        return "it speaks no TLS that is understood here"
    if isinstance(error, smtplib.SMTPResponseException):
        return f"it answered {error.smtp_code}"
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return "it refused the addresses"
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno).lower()
    return None
