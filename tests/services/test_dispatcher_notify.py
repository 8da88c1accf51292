"""Notifications: told by mail and HTTP, and the receivers' addresses stay secret."""

from __future__ import annotations

import socket
from itertools import pairwise
from smtplib import SMTPAuthenticationError
from socket import gaierror
from ssl import SSLCertVerificationError
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message

from tests.services.dispatching import Receiver, dispatching, entry, receiving
from upshot.services.dispatcher.performers.reasons import reason


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]  # type: ignore[no-any-return]


class _Mailbox(Message):
    def __init__(self) -> None:
        super().__init__()
        self.mails: list[Any] = []

    def handle_message(self, message: Any) -> None:
        self.mails.append(message)


async def test_people_are_told_by_mail_and_http_and_the_address_stays_secret(
    store_url: str,
) -> None:
    mailbox = _Mailbox()
    controller = Controller(mailbox, hostname="127.0.0.1", port=free_port())
    controller.start()
    try:
        async with receiving() as receiver:
            await _tell(store_url, receiver, controller.port)
    finally:
        controller.stop()
    [mail] = mailbox.mails
    assert mail["Subject"] == "order.7 is late"
    assert "Idempotency-Key" in mail


async def _tell(store_url: str, receiver: Receiver, port: int) -> None:
    where = receiver.url.removeprefix("http://")
    urls = {
        "mail": f"mailto://127.0.0.1:{port}/?from=upshot@example.org&to=oncall@example.org",
        "hook": f"json://user:s3cret@{where}/note",
        "gone": f"json://user:s3cret@127.0.0.1:{free_port()}/note",
    }
    definitions = {"receiver": {name: {"name": name, "url": url} for name, url in urls.items()}}
    text = {"title": "{{ event.resource.id }} is late", "body": "n={{ event.payload.n }}"}
    async with dispatching(store_url, definitions=definitions) as service:
        told = entry({"notify": {"to": ["mail", "hook"], "severity": "error", **text}})
        partly = entry(
            {"notify": {"to": ["hook", "gone"], "retries": 1, "retry_delay": "10ms", **text}}
        )
        await service.send(told, partly)
        outcome = await service.outcome(told["firing"])
        assert (outcome["outcome"], outcome["detail"]) == ("succeeded", "told mail, hook")
        failed = await service.outcome(partly["firing"])
        assert failed["outcome"] == "dead-lettered"
        assert failed["detail"] == "receiver 'gone' did not take the message: connection refused"
        [(_, letter)] = await service.letters()
        assert (letter["to"], letter["reason"]) == (["hook", "gone"], failed["detail"])
        assert "s3cret" not in str(await service.letters())
        assert receiver.keys == {f"{told['firing']}:0": 1, f"{partly['firing']}:0": 1}
        note = receiver.bodies("/note")[0]
        assert (note["title"], note["message"]) == ("order.7 is late", "n=3")


def _raised(*chain: BaseException) -> BaseException:
    """Return an error that the ones after it caused, one the other."""
    for error, cause in pairwise(chain):
        error.__cause__ = cause
    return chain[0]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (None, None),
        (OSError("at s3cret"), "OSError"),
        (
            _raised(OSError("at s3cret"), ConnectionRefusedError(111, "s3cret")),
            "connection refused",
        ),
        (_raised(OSError("x"), gaierror(-2, "s3cret")), "its host's name can't be resolved"),
        (_raised(OSError("x"), TimeoutError("s3cret")), "it did not answer in time"),
        (SMTPAuthenticationError(535, b"s3cret"), "it answered 535"),
        (
            _raised(OSError("x"), SSLCertVerificationError("s3cret")),
            "its certificate is not trusted",
        ),
    ],
)
def test_why_a_message_did_not_arrive_is_told_without_the_address(
    error: BaseException | None, told: str | None
) -> None:
    assert reason(error) == told


async def test_a_receiver_that_refuses_a_notification_ends_it(store_url: str) -> None:
    async with receiving() as receiver:
        receiver.answers = [(401, {})]
        url = receiver.url.replace("http", "json") + "/note"
        definitions = {"receiver": {"hook": {"name": "hook", "url": url}}}
        async with dispatching(store_url, definitions=definitions) as service:
            wanted = entry({"notify": {"to": "hook"}})
            await service.send(wanted)
            outcome = await service.outcome(wanted["firing"])
            assert (outcome["outcome"], outcome["detail"]) == (
                "failed", "receiver 'hook' answered 401",
            )  # fmt: skip
