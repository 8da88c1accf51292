"""What the dispatcher decides without touching anything: retries, addresses, lanes, outcomes."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from pydantic_core import from_json, to_json

from tests.services.dispatching import call, entry
from upshot.events.event import Event
from upshot.events.exceptions import Conflict, StoreFull, StoreUnavailable
from upshot.flows.exceptions import NotRetryable
from upshot.services.dispatcher.entry import Entry, parse_entry
from upshot.services.dispatcher.lanes import SUSPECT, Lanes
from upshot.services.dispatcher.outcomes import (
    Ending,
    Outcome,
    bury_arguments,
    letter,
    outcome_events,
    outcome_of,
)
from upshot.services.dispatcher.performers.guard import refusal
from upshot.services.dispatcher.performers.notify import refused
from upshot.services.dispatcher.retrying import (
    LONGEST,
    LONGEST_ASKED,
    GivenUp,
    Later,
    Retries,
    after_failure,
    delay_before,
)
from upshot.services.exceptions import ActionFailed, LaneFull, TryFailed


@pytest.mark.parametrize(
    ("error", "attempt", "step"),
    [
        (TryFailed("503"), 0, Later),
        (TryFailed("503"), 2, Later),
        (TryFailed("503"), 3, GivenUp(exhausted=True)),
        (TimeoutError(), 0, Later),
        (StoreFull("full"), 0, Later),
        (StoreUnavailable("gone"), 1, Later),
        (Conflict("changed"), 0, Later),
        (ActionFailed("404"), 0, GivenUp(exhausted=False)),
        (NotRetryable("completed"), 0, GivenUp(exhausted=False)),
        (RuntimeError("a mistake of ours"), 0, GivenUp(exhausted=False)),
    ],
)
def test_only_what_may_pass_is_tried_again_and_only_so_often(
    error: Exception, attempt: int, step: Any
) -> None:
    decided = after_failure(Retries(3, 1.0), attempt, error, 0.5)
    assert isinstance(decided, Later) if step is Later else decided == step


@given(
    st.floats(0, 1e5),
    st.integers(0, 100),
    st.none() | st.floats(0, 1e9),
    st.floats(0, 1),
)
def test_a_delay_is_bounded_and_never_shorter_than_what_was_asked(
    base: float, attempt: int, asked: float | None, chance: float
) -> None:
    delay = delay_before(Retries(3, base), attempt, asked, chance)
    assert delay >= min(asked or 0.0, LONGEST_ASKED)
    assert delay <= max(LONGEST, min(asked or 0.0, LONGEST_ASKED))


def test_delays_double() -> None:
    delays = [delay_before(Retries(9, 1.0), attempt, None, 0.5) for attempt in range(4)]
    assert delays == [1.0, 2.0, 4.0, 8.0]


_NEVER = [
    ("0.0.0.0", "unspecified"),
    ("0.1.2.3", "unspecified"),
    ("::", "unspecified"),
    ("::ffff:0.0.0.0", "unspecified"),
    ("169.254.169.254", "metadata service"),
    ("::ffff:169.254.169.254", "metadata service"),
    ("64:ff9b::a9fe:a9fe", "metadata service"),
    ("2002:a9fe:a9fe::", "metadata service"),
    ("fd00:ec2::254", "metadata service"),
    ("100.100.100.200", "metadata service"),
    ("192.0.0.192", "metadata service"),
    ("169.254.1.1", "link-local"),
    ("fe80::1", "link-local"),
    ("224.0.0.1", "multicast"),
    ("ff02::1", "multicast"),
    ("255.255.255.255", "reserved"),
    ("240.0.0.1", "reserved"),
]
_PRIVATE = [
    ("127.0.0.1", "loopback"),
    ("127.9.9.9", "loopback"),
    ("::1", "loopback"),
    ("::ffff:127.0.0.1", "loopback"),
    ("64:ff9b::7f00:1", "loopback"),
    ("10.0.0.1", "private"),
    ("172.16.5.4", "private"),
    ("192.168.1.1", "private"),
    ("::ffff:192.168.1.1", "private"),
    ("100.64.0.1", "private"),
    ("fc00::1", "private"),
    ("198.18.0.1", "private"),
]


@pytest.mark.parametrize(("address", "why"), _NEVER)
@pytest.mark.parametrize("allow_private", [True, False])
def test_some_addresses_are_never_called(address: str, why: str, allow_private: bool) -> None:
    assert refusal(ip_address(address), allow_private=allow_private) == why


@pytest.mark.parametrize(("address", "why"), _PRIVATE)
def test_private_addresses_are_called_only_where_allowed(address: str, why: str) -> None:
    assert refusal(ip_address(address), allow_private=True) is None
    assert refusal(ip_address(address), allow_private=False) == why


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1", "::ffff:1.1.1.1"])
def test_public_addresses_are_called(address: str) -> None:
    assert refusal(ip_address(address), allow_private=False) is None


async def _silent(lanes: Lanes) -> None:
    with pytest.raises(TimeoutError):
        async with lanes.place("a", 4):
            raise TimeoutError


async def test_a_receiver_that_keeps_silent_is_only_probed_until_it_answers() -> None:
    lanes = Lanes()
    for _ in range(SUSPECT):
        await _silent(lanes)
    async with lanes.place("a", 4), lanes.place("a", 4):
        with pytest.raises(TryFailed, match="did not answer 5 tries"):
            async with lanes.place("a", 4):
                pytest.fail("more than two probes at a time")
        async with lanes.place("b", 4):
            pass
    async with lanes.place("a", 4), lanes.place("a", 4), lanes.place("a", 4):
        pass


async def test_an_answer_of_any_kind_is_a_sign_of_life() -> None:
    lanes = Lanes()
    for _ in range(SUSPECT - 1):
        await _silent(lanes)
    with pytest.raises(TryFailed):
        async with lanes.place("a", 4):
            raise TryFailed("503", answered=True)
    await _silent(lanes)
    async with lanes.place("a", 4), lanes.place("a", 4), lanes.place("a", 4):
        pass


async def test_who_finds_no_place_in_a_lane_goes_without_a_try() -> None:
    lanes = Lanes()
    async with lanes.place("a", 1):
        with pytest.raises(LaneFull):
            async with lanes.place("a", 1):
                pytest.fail("there is one place only")
        with pytest.raises(LaneFull):
            async with lanes.place("a", 1):
                pytest.fail("there is one place only")


async def test_who_waits_for_a_place_gets_it_when_one_ends() -> None:
    lanes, order = Lanes(), []

    async def hold(name: str) -> None:
        async with lanes.place("a", 1):
            order.append(name)
            await asyncio.sleep(0)

    await asyncio.gather(*(hold(name) for name in "xyz"))
    assert order == ["x", "y", "z"]


def test_an_entry_keeps_what_it_does_not_know() -> None:
    body = entry(call("http://x"), later_field={"a": [1]})
    again = from_json(parse_entry(to_json(body)).at_action(0, 2).to_json())
    assert again["later_field"] == {"a": [1]}
    assert again["attempt"] == 2
    assert again["events"] == body["events"]


@pytest.mark.parametrize(
    ("field", "value"),
    [("actions", []), ("next", -1), ("causation", {"depth": "x"}), ("automation", None)],
)
def test_a_wrong_entry_is_refused_by_the_field(field: str, value: Any) -> None:
    with pytest.raises(ValidationError) as refusal_of:
        parse_entry(to_json(entry(call("http://x"), **{field: value})))
    assert refusal_of.value.errors()[0]["loc"][0] == field


def told(of: Entry, outcome: Outcome) -> list[Event]:
    return [Event.model_validate_json(body) for body in outcome_events(of, 0, outcome)]


def test_what_was_given_up_is_told_twice_and_its_letter_leads_back() -> None:
    parsed = parse_entry(to_json(entry(call("http://x"), call("http://y"), attempt=3)))
    outcome = outcome_of(parsed, 0, Ending.DEAD_LETTERED, "then", "503")
    first, again = (told(parsed, outcome) for _ in range(2))
    assert [event.event for event in first] == ["action.failed", "action.dead-lettered"]
    assert [event.id for event in first] == [event.id for event in again]
    written = from_json(letter(parsed, 0, outcome))
    assert (written["entry"]["next"], written["entry"]["attempt"]) == (0, 0)
    replayed = parse_entry(to_json(written["entry"]))
    assert replayed.began_before
    assert told(replayed, outcome)[0].id != first[0].id
    assert replayed.key(0) == parsed.key(0)


def test_the_rest_of_a_firing_goes_on_unless_its_action_says_stop() -> None:
    stopping = parse_entry(to_json(entry(call("http://x", on_error="stop"), call("http://y"))))
    going = parse_entry(to_json(entry(call("http://x"), call("http://y"))))
    outcome = outcome_of(going, 0, Ending.FAILED, "then", "404")
    assert bury_arguments("1-1", stopping, 0, outcome, stopping.rest_after(0))[5] == b""
    rest = bury_arguments("1-1", going, 0, outcome, going.rest_after(0))[5]
    assert from_json(rest)["next"] == 1  # type: ignore[arg-type]
    assert going.rest_after(1) is None


@pytest.mark.parametrize(
    ("said", "kind", "text"),
    [
        ([], TryFailed, "did not take the message: it did not say why"),
        (
            ["A Connection error with https://token@host"],
            TryFailed,
            "did not take the message: it did not say why",
        ),
        (["Failed to send: Unauthorized, error=401."], ActionFailed, "answered 401"),
        (["Failed to send: error=429."], TryFailed, "answered 429"),
        (["Failed to send: error=503."], TryFailed, "answered 503"),
    ],
)
def test_of_what_a_notification_service_says_only_the_status_is_told(
    said: list[str], kind: type[Exception], text: str
) -> None:
    failure = refused("oncall", said)
    assert type(failure) is kind
    assert str(failure) == f"receiver 'oncall' {text}"
