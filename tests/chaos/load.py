"""The load: events with known ids over HTTP, each sent again until it is acknowledged."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

Event = dict[str, Any]
_AGAIN = (429, 502, 503)
_PAUSE = 0.05


@dataclass
class Sent:
    """What was sent: event id → Unix seconds of the first try and of the acknowledgement."""

    first: dict[str, float] = field(default_factory=dict)
    acknowledged: dict[str, float] = field(default_factory=dict)
    tries: int = 0
    wrong: list[str] = field(default_factory=list)


class Sender(threading.Thread):
    """Posts batches one after another.

    Args:
        batches: what to send. pause: seconds between two of them, on average.
    """

    def __init__(
        self, port: int, batches: Iterator[list[Event]], pause: float, chance: random.Random
    ) -> None:
        super().__init__(daemon=True)
        self._port, self._batches, self._pause, self._chance = port, batches, pause, chance
        self._connection: http.client.HTTPConnection | None = None
        self._ending = threading.Event()
        self.sent = Sent()

    def run(self) -> None:
        while not self._ending.wait(self._chance.uniform(0, 2 * self._pause)):
            self.send(self.next_batch())

    def next_batch(self) -> list[Event]:
        return next(self._batches)

    def end(self) -> None:
        """Send no more than what was begun; return when that is acknowledged."""
        self._ending.set()
        self.join()

    def send(self, batch: list[Event]) -> None:
        """Send a batch until it is acknowledged."""
        now = time.time()
        self.sent.first.update({event["id"]: now for event in batch})
        body = json.dumps(batch)
        while not self._try(body):
            time.sleep(_PAUSE)
        now = time.time()
        self.sent.acknowledged.update({event["id"]: now for event in batch})

    def _try(self, body: str) -> bool:
        self.sent.tries += 1
        connection = self._connection or http.client.HTTPConnection(
            "127.0.0.1", self._port, timeout=5
        )
        self._connection = None
        try:
            headers = {"Content-Type": "application/json"}
            connection.request("POST", "/api/v1/events", body, headers)
            response = connection.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException):
            connection.close()
            return False
        self._connection = connection
        if response.status not in (202, *_AGAIN):
            self.sent.wrong.append(f"{response.status}: {answer.decode(errors='replace')[:300]}")
        return response.status == 202


def orders(chance: random.Random) -> Iterator[list[Event]]:
    for number in count():
        yield [
            _event(f"order-{number}-{index}", "order.placed", f"order.{number}.{index}")
            for index in range(chance.randint(1, 3))
        ]


def cups(chance: random.Random) -> Iterator[list[Event]]:
    numbers = count()
    while True:
        some = [next(numbers) for _ in range(chance.randint(1, 4))]
        yield [_event(f"cup-{each}", "cup.filled", f"cup.{each // 5}") for each in some]


def errands(_: random.Random) -> Iterator[list[Event]]:
    for number in count():
        yield [_event(f"errand-{number}", "errand.asked", f"errand.{number}", number=number)]


def _event(identity: str, name: str, resource: str, **payload: Any) -> Event:
    return {"id": identity, "event": name, "resource": {"id": resource}, "payload": payload}


class Load:
    """Everything that is sent at the same time, seeded."""

    def __init__(self, port: int, seed: int) -> None:
        kinds = [(orders, 0.03), (cups, 0.04), (errands, 0.3)]
        self._senders = [
            Sender(port, kind(random.Random(seed + n)), pause, random.Random(seed - n - 1))
            for n, (kind, pause) in enumerate(kinds)
        ]

    def start(self) -> None:
        for sender in self._senders:
            sender.start()

    def end(self) -> Sent:
        """Stop sending; return what was sent, all of it acknowledged."""
        for sender in self._senders:
            sender.end()
        return self.sent

    @property
    def sent(self) -> Sent:
        whole = Sent()
        for sender in self._senders:
            whole.first |= sender.sent.first
            whole.acknowledged |= sender.sent.acknowledged
            whole.tries += sender.sent.tries
            whole.wrong += sender.sent.wrong
        return whole
