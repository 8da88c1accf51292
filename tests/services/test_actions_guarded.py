"""Notifications reach no address that they must not, whatever a receiver's address looks like."""

from __future__ import annotations

import socket

import pytest

from tests.services.dispatching import dispatching, entry, receiving
from upshot.events.settings import Settings
from upshot.services.dispatcher.performers.guard import AddressRefused
from upshot.services.dispatcher.performers.watched import watched


@pytest.mark.parametrize("scheme", ["json", "form", "ntfy"])
async def test_a_receiver_within_the_network_is_not_told_where_that_is_not_allowed(
    store_url: str, scheme: str
) -> None:
    async with receiving() as receiver:
        place = receiver.url.removeprefix("http://").replace("127.0.0.1", "localhost")
        definitions = {"receiver": {"hook": {"name": "hook", "url": f"{scheme}://{place}/note"}}}
        settings = Settings(lease=1.0, allow_private_webhooks=False)
        async with dispatching(store_url, settings, definitions) as service:
            wanted = entry({"notify": {"to": "hook"}})
            await service.send(wanted)
            outcome = await service.outcome(wanted["firing"])
            assert (outcome["outcome"], outcome["detail"]) == (
                "failed", "receiver 'hook': the address is not allowed: loopback",
            )  # fmt: skip
        assert receiver.got == []


async def test_a_receiver_cannot_lead_to_where_clouds_keep_their_credentials(
    store_url: str,
) -> None:
    async with receiving() as receiver:
        receiver.answers = [(307, {"Location": "http://169.254.169.254/latest"})]
        url = receiver.url.replace("http", "json") + "/note"
        definitions = {"receiver": {"hook": {"name": "hook", "url": url}}}
        async with dispatching(store_url, definitions=definitions) as service:
            wanted = entry({"notify": {"to": "hook"}})
            await service.send(wanted)
            outcome = await service.outcome(wanted["firing"])
            assert outcome["detail"] == (
                "receiver 'hook': the address is not allowed: metadata service"
            )


def test_only_what_is_watched_is_refused_and_datagrams_are_too() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as sender:
        with watched(allow_private=False) as watch:
            with pytest.raises(AddressRefused):
                sender.sendto(b"x", ("127.0.0.1", 9))
            with pytest.raises(AddressRefused, match="a name"):
                sender.connect(("localhost", 9))
        assert watch.refused == "a name that was not looked up before"
        sender.sendto(b"x", ("127.0.0.1", 9))
        with watched(allow_private=True) as watch:
            sender.sendto(b"x", ("127.0.0.1", 9))
        assert watch.refused is None
