"""Stops who holds a lease until another one has it, lets it wake, and judges what is left."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.services.service import descendants
from tests.waiting import eventually
from upshot.events.store import SyncStore
from upshot.flows.runs.flowrun import FlowRun

from . import seen
from .load import Load
from .ordeal import rest
from .verdict import Verdict, judge
from .whole import Whole


@contextmanager
def stopped(pids: Sequence[int]) -> Iterator[None]:
    """Stop processes for a while; what was killed meanwhile can't wake any more."""
    for pid in pids:
        _send(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            _send(pid, signal.SIGCONT)


def _send(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def undergo(folder: Path, rounds: int, seed: int) -> Verdict:
    """Stop the engine's owner, then a flow process (with its worker or alone), so many times."""
    chance = random.Random(seed)
    with Whole(folder) as whole:
        whole.apply()
        beside = [whole.serve(service) for service in ("engine", "worker")]
        store = whole.store()
        load = Load(whole.port, seed)
        load.start()
        for _ in range(rounds):
            time.sleep(chance.uniform(0.0, 1.0))
            stop_owner(store, chance)
            stop_flow(whole, store, chance)
        sent = load.end()
        seen_at_rest = rest(store)
        verdict = judge(seen_at_rest, sent, whole.receiver.keys())
        store.close()
        for process in beside:
            process.send_signal(signal.SIGTERM)
            process.wait(60)
    return verdict


def stop_owner(store: SyncStore, chance: random.Random) -> None:
    """Stop the engine that owns the shard until the other one has taken over, and for longer."""
    owner, epoch = _lease(store)
    with stopped([int(owner.split("|")[1])]):
        eventually(lambda: _lease(store)[1] > epoch, "the standby takes over")
        time.sleep(chance.uniform(0.0, 0.5))
    taken = _lease(store)[1]
    time.sleep(chance.uniform(0.0, 0.5))
    assert _lease(store)[1] >= taken


def _lease(store: SyncStore) -> tuple[str, int]:
    owner, epoch = store.execute("HMGET", store.keys("lease", "engine"), "owner", "epoch")
    return owner.decode(), int(epoch)


def stop_flow(whole: Whole, store: SyncStore, chance: random.Random) -> None:
    """Stop a flow process until its run was taken from it."""
    eventually(whole.flows, "a flow runs")
    pid = chance.choice(whole.flows() or [0])
    number = whole.errand_of(pid)
    run = _run(store, number) if number is not None else None
    if run is None or run.state.ended:
        return
    worker = whole.part("worker")
    assert worker is not None
    with_worker = [worker, *descendants(worker)] if chance.random() < 0.5 else [pid]
    with stopped(with_worker):
        eventually(lambda: _is_over(store, run), "the run is taken from the stopped process")
        time.sleep(chance.uniform(0.0, 0.5))


def _run(store: SyncStore, number: int) -> FlowRun | None:
    found = (each.run for each in seen.runs(store).values())
    return next((run for run in found if run.parameters["number"] == number), None)


def _is_over(store: SyncStore, run: FlowRun) -> bool:
    epoch = int(store.execute("HGET", store.keys("run", run.id), "epoch"))
    kind = store.execute("HGET", store.keys("run", run.id), "type").decode()
    return epoch > run.epoch or kind == "Completed"
