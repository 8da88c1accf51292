"""The HTTP client: streams are read as they come, and what goes wrong says so."""

from __future__ import annotations

import socket

import pytest

from upshot.services.client import Client
from upshot.services.event_stream import ServerEvent, parse_stream
from upshot.services.exceptions import ServerUnreachable, TerminalServicesError


def test_a_stream_yields_each_message_with_its_id() -> None:
    lines = [b": comment", b"", b"id: 5-0", b'data: {"a": 1}', b"", b"event: end", b"data: 2", b""]
    assert list(parse_stream(lines)) == [
        ServerEvent("5-0", "message", {"a": 1}),
        ServerEvent("", "end", 2),
    ]


def test_data_over_several_lines_is_one_value() -> None:
    assert list(parse_stream([b"data: [1,", b"data: 2]", b""])) == [
        ServerEvent("", "message", [1, 2])
    ]


def test_a_message_cut_off_by_the_end_of_the_stream_is_not_one() -> None:
    assert list(parse_stream([b'data: {"a": 1}'])) == []


def test_nobody_answering_is_told_with_what_to_do() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        client = Client(f"http://127.0.0.1:{unused.getsockname()[1]}")
        with pytest.raises(ServerUnreachable, match="start one with `upshot up`"):
            client.get("/runs")


@pytest.mark.parametrize("url", ["localhost:4280", "ftp://localhost", "http://"])
def test_an_address_of_a_wrong_form_names_its_setting(url: str) -> None:
    with pytest.raises(TerminalServicesError, match="UPSHOT_URL"):
        Client(url).get("/runs")
