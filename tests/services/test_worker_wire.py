"""What a worker tells its processes: a run arrives there as it was taken."""

from __future__ import annotations

import socket
import threading

from upshot.events.event import Causation
from upshot.flows.runs.flowrun import FlowRun, Pause, new_run
from upshot.flows.states import State
from upshot.services.worker.wire import Channel, Message, encode, taken


def sent(run: FlowRun) -> FlowRun:
    """Return a run that went over a socket."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        line = encode({"start": 1, "run": run})
        sending = threading.Thread(target=ours.sendall, args=(line,))
        sending.start()
        channel = Channel(theirs)
        messages: list[Message] = []
        while not messages:
            received = channel.receive()
            assert received is not None
            messages = received[0]
        sending.join()
        return taken(messages[0])


def test_a_run_arrives_as_it_was_taken() -> None:
    run = new_run(
        "f", state=State("Pending", "taken by a worker"), deployment="f/d", entrypoint="a.py:f",
        pool="p", queue="urgent", priority=-3, parameters={"n": 2**70, "x": [1.5, None, "ä\n"]},
        tags=("a", "b"), attempt=2, version=7, epoch=4, result={"n": 1}, caused_by="e",
        causation=Causation(depth=2, chain=["e"], automations={"a": 1}),
        pause=Pause("key", schema={"type": "object"}, until=5), resumed=True,
        again=(("task", "token"),), causes=frozenset({"e", "g"}), launch={"job": {"env": {}}},
    )  # fmt: skip
    assert sent(run) == run


def test_a_run_of_many_readings_arrives_as_well() -> None:
    run = new_run("f", state=State("Pending"), parameters={"text": "ä" * 1_000_000})
    assert sent(run) == run


def test_a_run_with_the_least_arrives_as_well() -> None:
    run = new_run("f", state=State("Pending"))
    assert sent(run) == run
