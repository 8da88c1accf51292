"""Any sequence of asking, releasing and ending leaves slots and lines as a plain model has them."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from pydantic_core import to_json

from tests.events.runs import create, fields, members
from upshot.events.exceptions import Conflict, LimitReached, NotFound, StaleEpoch
from upshot.events.store import SyncStore

LIMITS = ("a", "b")
RUNS = ("r", "s")
EVENT = b'{"event":"limit.reached"}'
OPENING = b'{"event":"limit.acquired","payload":'


def define(store: SyncStore, name: str, limit: int | None, **more: object) -> None:
    body = b"" if limit is None else to_json({"limit": limit, "active": True, **more})
    store.call("put", "limit", name, "", body, "")


def ask(
    store: SyncStore,
    token: str,
    *names: str,
    slots: int = 1,
    priority: int = 0,
    wait: int = 1,
    epoch: int = 1,
) -> int:
    run = token.partition("/")[0]
    answer: int = store.call(
        "acquire", run, epoch, token, slots, priority, wait, "", EVENT, OPENING, *names
    )
    return answer


@dataclass
class Asked:
    """What the model knows of a token."""

    limits: list[str]
    slots: int
    place: tuple[int, int]
    held: bool = False


@dataclass
class Model:
    """Who has what, and who waits, by the rules."""

    limits: dict[str, int] = field(default_factory=lambda: dict.fromkeys(LIMITS, 2))
    asked: dict[str, Asked] = field(default_factory=dict)
    granted: int = 0

    def line(self, name: str) -> list[str]:
        waiting = [t for t, a in self.asked.items() if not a.held and name in a.limits]
        return sorted(waiting, key=lambda token: self.asked[token].place)

    def held(self, name: str) -> dict[str, int]:
        return {t: a.slots for t, a in self.asked.items() if a.held and name in a.limits}

    def fits(self, one: Asked, before: set[str]) -> bool:
        """Tell whether a token has room, where these may stand before it."""
        for name in one.limits:
            if name in self.limits:
                if set(self.line(name)[:1]) - before:
                    return False
                if sum(self.held(name).values()) + one.slots > self.limits[name]:
                    return False
        return True

    def serve(self) -> None:
        for token in sorted(self.asked, key=lambda token: self.asked[token].place):
            one = self.asked[token]
            if not one.held and self.fits(one, {token}):
                one.held = True
                self.granted += 1
                return self.serve()
        return None


class Limits(RuleBasedStateMachine):
    store: SyncStore

    def __init__(self) -> None:
        super().__init__()
        self.store.execute("FLUSHALL")
        self.model = Model()
        self.count = 0
        for name in LIMITS:
            define(self.store, name, 2)
        for run in RUNS:
            create(self.store, run, "Running", pool="")

    @rule(
        run=st.sampled_from(RUNS),
        names=st.sampled_from([("a",), ("b",), ("a", "b"), ("a", "c"), ("c",)]),
        slots=st.integers(1, 3),
        priority=st.sampled_from([0, 0, -1, 1]),
        wait=st.sampled_from([0, 1, 1]),
    )
    def asks(self, run: str, names: tuple[str, ...], slots: int, priority: int, wait: int) -> None:
        self.count += 1
        token, model = f"{run}/{self.count}", self.model
        limited = [name for name in names if name in model.limits]
        one = Asked(limited, slots, (priority, self.count))
        if not limited:
            expected = 2
        elif any(slots > model.limits[name] for name in limited):
            expected = -2
        elif model.fits(one, set()):
            expected, one.held = 1, True
        else:
            expected = 0 if wait else -1
        answer = ask(self.store, token, *names, slots=slots, priority=priority, wait=wait)
        assert answer == expected
        if expected in (0, 1):
            model.asked[token] = one
            again = ask(self.store, token, *names, slots=slots, priority=priority, wait=wait)
            assert again == expected

    @rule(data=st.data())
    def releases(self, data: st.DataObject) -> None:
        token = data.draw(st.sampled_from([*self.model.asked, "r/unknown"]))
        self.store.call("release", token)
        self.model.asked.pop(token, None)
        self.model.serve()

    @rule(run=st.sampled_from(RUNS))
    def loses_its_process(self, run: str) -> None:
        version = int(fields(self.store, "run", run)["version"])
        for kind in ("Paused", "Running"):
            body = to_json({"event": f"flow-run.{kind.lower()}"})
            event = f"{run}-{version}-{kind}"
            self.store.call(
                "transition", run, version, "", kind, 0, 60_000, 0, event, body, "state", kind
            )
            version += 1
            if kind == "Paused":
                assert self.store.call("leave_run", run, 1, 0) == 1
                version += 1
        self.model.asked = {
            token: one for token, one in self.model.asked.items() if not token.startswith(run)
        }
        self.model.serve()

    @rule(name=st.sampled_from(LIMITS), limit=st.sampled_from([None, 1, 2, 3]))
    def is_defined_anew(self, name: str, limit: int | None) -> None:
        define(self.store, name, limit)
        self.model.limits.pop(name, None)
        if limit is not None:
            self.model.limits[name] = limit
        self.model.serve()

    @invariant()
    def slots_and_lines_are_the_models(self) -> None:
        for name in LIMITS:
            held = {token: int(n) for token, n in fields(self.store, "slots", name).items()}
            assert held == self.model.held(name)
            assert members(self.store, "line", name) == self.model.line(name)

    @invariant()
    def each_grant_is_told(self) -> None:
        told = sum(self.store.execute("LLEN", self.store.keys("granted", run)) for run in RUNS)
        assert told == self.model.granted


def test_slots_and_lines_are_as_the_rules_say(sync_store: SyncStore) -> None:
    Limits.store = sync_store
    run_state_machine_as_test(
        Limits,
        settings=settings(
            max_examples=30,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_only_the_process_that_has_the_run_may_ask(sync_store: SyncStore) -> None:
    define(sync_store, "a", 1)
    create(sync_store, "r", "Running", pool="")
    with pytest.raises(StaleEpoch):
        ask(sync_store, "r/1", "a", epoch=2)
    with pytest.raises(NotFound):
        ask(sync_store, "unknown/1", "a")


def test_a_run_that_its_pools_limit_keeps_from_beginning_stays_as_it_is(
    sync_store: SyncStore,
) -> None:
    define(sync_store, "work-pool:p", 1)
    for run in ("r", "s"):
        create(sync_store, run)
    body = to_json({"event": "flow-run.pending"})
    arguments = (1, "", "Pending", 0, 60_000, 0)
    sync_store.call("transition", "r", *arguments, "r-2", body, "state", "Pending")
    with pytest.raises(LimitReached, match="work-pool:p is at its limit") as refused:
        sync_store.call("transition", "s", *arguments, "s-2", body, "state", "Pending")
    assert isinstance(refused.value, Conflict)
    assert fields(sync_store, "run", "s")["type"] == "Scheduled"


def test_a_rate_lets_its_slots_through_and_then_so_many_a_second(sync_store: SyncStore) -> None:
    define(sync_store, "api", 2, slot_decay_per_second=0.001)
    waits = [sync_store.call("rate", 1, -1, EVENT, "api") for _ in range(3)]
    assert waits[:2] == [0, 0]
    assert 900_000 < waits[2] <= 1_000_000
    assert sync_store.call("rate", 1, 5, EVENT, "api") == -1
    assert 1_900_000 < sync_store.call("rate", 1, -1, EVENT, "api") <= 2_000_000
    assert sync_store.call("rate", 1, -1, EVENT, "unknown") == -2
    assert sync_store.execute("XLEN", sync_store.keys("log")) == 2


def test_the_slots_of_a_limit_can_be_taken_away(sync_store: SyncStore) -> None:
    define(sync_store, "a", 1)
    create(sync_store, "r", "Running", pool="")
    assert [ask(sync_store, f"r/{n}", "a") for n in (1, 2)] == [1, 0]
    assert sync_store.call("reset_limit", "a") == 1
    assert fields(sync_store, "slots", "a") == {"r/2": "1"}


def test_room_that_one_leaves_in_a_second_line_is_for_the_next_there(
    sync_store: SyncStore,
) -> None:
    define(sync_store, "a", 1)
    define(sync_store, "b", 2)
    create(sync_store, "r", "Running", pool="")
    assert ask(sync_store, "r/1", "a") == 1
    assert ask(sync_store, "r/2", "a", "b") == 0
    assert ask(sync_store, "r/3", "b") == 0  # there is room, but nobody is let past
    sync_store.call("release", "r/1")
    assert set(fields(sync_store, "slots", "b")) == {"r/2", "r/3"}
