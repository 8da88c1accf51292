"""A receiver that is dead in every way a receiver can be, next to one that is well."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.waiting import eventually

from .load import Sender, orders
from .ordeal import rest
from .receiving import Receiver
from .whole import HERE, Whole

BATCHES = 12


@pytest.fixture
def dead(tmp_path: Path) -> Iterator[Receiver]:
    receiver = Receiver(tmp_path, "dead")
    yield receiver
    receiver.stop()


def test_a_dead_receiver_gets_all_once_it_is_back_and_stalls_no_other(
    tmp_path: Path, dead: Receiver
) -> None:
    variables = {"CHAOS_DEAD": dead.url}
    with Whole(tmp_path, variables=variables, action_concurrency=8) as whole:
        whole.apply(HERE / "two_receivers.yaml")
        sender = Sender(whole.port, orders(random.Random(1)), 0.0, random.Random(1))
        _send(sender, whole)  # its connections are refused
        dead.start("hang")
        _send(sender, whole)
        dead.mode("fail")
        _send(sender, whole)
        assert dead.keys() == {}
        dead.mode("well")
        store = whole.store()
        seen = rest(store)
        store.close()
    placed = len(sender.sent.acknowledged)
    assert seen.unfinished == {}
    assert len(dead.keys()) == len(whole.receiver.keys()) == placed
    assert set(whole.receiver.keys().values()) == {1}


def _send(sender: Sender, whole: Whole) -> None:
    """Send orders, and wait until the receiver that is well has all of them."""
    for _ in range(BATCHES):
        sender.send(sender.next_batch())
    placed = len(sender.sent.acknowledged)
    eventually(lambda: len(whole.receiver.keys()) == placed, "who is well has all")
