"""Random control over random events: a crash anywhere changes nothing, and nothing fires twice."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.automations.controlled import rule
from tests.automations.making import ACTIONS, event
from upshot.automations.actions.run_deployment import run_id
from upshot.automations.definition import Automation
from upshot.automations.evaluation.answering import nothing, settled
from upshot.automations.evaluation.evaluator import Evaluator
from upshot.automations.firing import Firing
from upshot.automations.outcomes import Outcome, Resolution, Suppression
from upshot.automations.trying.backtest import Backtest
from upshot.events.event import Recorded

KEYS = st.sampled_from([{}, {"key": "id"}, {"key": "resource.name"}])
SECONDS = st.integers(1, 9)
RUNS: list[dict[str, Any]] = [*ACTIONS, {"run-deployment": {"deployment": "etl/nightly"}}]

DEBOUNCES = st.builds(
    lambda key, period, keep: {"period": period, "keep": keep, "max_wait": period + 4, **key},
    KEYS, SECONDS, st.sampled_from(["last", "all"]),
)  # fmt: skip
BATCHES = st.builds(
    lambda key, size, timeout: {"max_size": size, "timeout": timeout, **key},
    KEYS, st.integers(2, 4), SECONDS,
)  # fmt: skip
THROTTLES = st.builds(
    lambda key, limit, per, excess: {"limit": limit, "per": per, "excess": excess, **key},
    KEYS, st.integers(1, 3), SECONDS, st.sampled_from(["drop", "queue"]),
)  # fmt: skip
MODES = st.one_of(
    st.just({}),
    st.builds(
        lambda key, mode: {"mode": mode, **key}, KEYS, st.sampled_from(["single", "restart"])
    ),
    st.builds(
        lambda key, mode, most: {"mode": mode, "max": most, **key},
        KEYS, st.sampled_from(["queued", "parallel"]), st.integers(1, 3),
    ),
)  # fmt: skip
CONTROLS = st.builds(
    lambda mode, **stages: {**mode, **{name: each for name, each in stages.items() if each}},
    MODES,
    debounce=st.none() | DEBOUNCES, batch=st.none() | BATCHES, throttle=st.none() | THROTTLES,
)  # fmt: skip
BUDGETS = st.none() | st.builds(
    lambda most, within: {"max": most, "within": within, "per": "id", "then": ACTIONS},
    st.integers(1, 4), SECONDS,
)  # fmt: skip
TRIGGERS = st.sampled_from([
    {"expect": "a.done"},
    {"expect": "*.done", "for_each": "id"},
    {"expect": "a.done", "threshold": 2, "within": 3, "for_each": "id"},
    {"expect": "b.done", "after": "a.done", "posture": "Proactive", "within": 2, "for_each": "id"},
])  # fmt: skip
ASKING = ["size(events) > 0 && events[0].payload.n >= 0"]
FIELDS = st.fixed_dictionaries({
    "trigger": TRIGGERS, "control": CONTROLS, "budget": BUDGETS, "actions": st.just(RUNS),
    "conditions": st.sampled_from([[], ["event.payload.n < 3"], ASKING]),
}) | st.fixed_dictionaries({
    "trigger": TRIGGERS, "control": CONTROLS, "resolve": st.just({"expect": "c.done"}),
    "on_resolve": st.just(ACTIONS),
})  # fmt: skip
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["a.done", "a.done", "b.done", "c.done"]),
        st.integers(0, 4000),
        st.sampled_from(["x", "y"]),
        st.integers(0, 3),
    ),
    max_size=25,
)


@dataclass
class Engine:
    """An evaluator, and what its last commit kept of it."""

    rule: Automation
    kept: dict[tuple[str, str], bytes] = field(default_factory=dict)
    known: dict[str, Recorded] = field(default_factory=dict)

    def start(self) -> None:
        self.evaluator = Evaluator()
        self.evaluator.define(self.rule, 1, 0)
        for (node, key), body in self.kept.items():
            assert self.evaluator.restore_window(node, key, body)

    def take(self, each: Recorded) -> list[Outcome]:
        self.known[each.position] = each
        return self._settled(self.evaluator.on_event(each))

    def finish(self, now: int) -> list[Outcome]:
        return self._settled(self.evaluator.advance(now))

    def commit(self) -> None:
        for key, body in self.evaluator.take_changes().items():
            if body is None:
                self.kept.pop(key, None)
            else:
                self.kept[key] = body

    def _settled(self, outcomes: list[Outcome]) -> list[Outcome]:
        return settled(self.evaluator, outcomes, nothing, self.known)


Step = tuple[str, int, str, int]


def outside(steps: list[Step]) -> list[Recorded]:
    events, at = list[Recorded](), 1000
    for number, (name, step, identity, n) in enumerate(steps):
        at += step
        resource = {"id": identity, "name": f"n{n % 2}"}
        events.append(event(name, at, 100 * number, resource=resource, payload={"n": n}))
    return events


def story(rule: Automation, steps: list[Step]) -> list[Recorded]:
    """Return the events with what the log would say of the firings that they bring about."""
    engine, events = Engine(rule), list[Recorded]()
    engine.start()
    for come in outside(steps):
        told = engine.take(come)
        events.append(come)
        for firing in told:
            if isinstance(firing, Firing) and come.payload["n"]:  # some are never settled
                for own in endings(firing, events[-1]):
                    events.append(own)
                    told += engine.take(own)
    return events


def endings(firing: Firing, after: Recorded) -> list[Recorded]:
    """What the log says of a firing that is over, after an event."""
    last = int(after.position.partition("-")[2])
    ends = [(f"action.{firing.id}.{place}", "action.succeeded") for place in range(2)]
    ends.append((f"flow-run.{run_id(firing.id, 1)}", "flow-run.completed"))
    return [
        replace(event(name, after.received, last + n, resource={"id": identity}), own=True)
        for n, (identity, name) in enumerate(ends, 1)
    ]


def essence(outcomes: list[Outcome]) -> list[Any]:
    """What must be the same, however often it is decided."""
    return [
        replace(each, told=0, event=None) if isinstance(each, Suppression)
        else replace(each, event=None) if isinstance(each, Firing)
        else each
        for each in outcomes
    ]  # fmt: skip


@settings(max_examples=250, deadline=None)
@given(fields=FIELDS, steps=EVENTS, data=st.data())
def test_a_crash_anywhere_changes_nothing(
    fields: dict[str, Any], steps: list[Step], data: st.DataObject
) -> None:
    automation = rule(**fields)
    events = story(automation, steps)
    end = (events[-1].received if events else 0) + 3_600_000
    whole, crashing = Engine(automation), Engine(automation)
    whole.start()
    expected = [each for given in events for each in whole.take(given)] + whole.finish(end)

    crashing.start()
    told, since = list[Outcome](), list[Outcome]()
    place = committed = crashes = 0
    while place < len(events):
        since += crashing.take(events[place])
        place += 1
        what = data.draw(st.sampled_from(["go on", "commit", "crash"]))
        if what == "commit":
            crashing.commit()
            told, since, committed = told + since, [], place
        elif what == "crash" and crashes < 6:
            crashing.start()
            since, place, crashes = [], committed, crashes + 1
    told += since + crashing.finish(end)

    assert essence(told) == essence(expected)
    fired = [each.id for each in told if isinstance(each, Firing)]
    assert len(fired) == len(set(fired))
    ended = [each.incident["id"] for each in told if isinstance(each, Resolution)]
    assert len(ended) == len(set(ended))


@settings(max_examples=100, deadline=None)
@given(fields=FIELDS, steps=EVENTS)
def test_a_backtest_of_what_was_recorded_decides_the_same(
    fields: dict[str, Any], steps: list[Step]
) -> None:
    automation = rule(**fields)
    events = story(automation, steps)
    live, backtest = Engine(automation), Backtest(automation, 0, acts_since=0)
    live.start()
    came = [each for one in events for each in live.take(one)] + live.finish(1 << 50)
    backtest.feed(events)
    result = backtest.finish(1 << 50)
    fired = [each for each in came if isinstance(each, Firing)]
    assert [each["id"] for each in result.firings] == [each.id for each in fired]
    held_back = [each.reason.value for each in came if isinstance(each, Suppression)]
    assert [each["reason"] for each in result.suppressed] == held_back


@settings(max_examples=150, deadline=None)
@given(fields=FIELDS, steps=EVENTS)
def test_each_firing_of_the_trigger_comes_about_or_is_told_of(
    fields: dict[str, Any], steps: list[Step]
) -> None:
    controlled, plain = Engine(rule(**fields)), Engine(rule(fields["trigger"]))
    came, whole = played(controlled, steps), played(plain, steps)
    fired = [each for each in came if isinstance(each, Firing) and each.branch == "actions"]
    stopped = [each for each in came if isinstance(each, Suppression)]
    gathers = fields["control"].get("batch") or fields["control"].get("debounce")
    if not gathers:
        assert len(fired) + len(stopped) == len(whole)
    assert _positions(fired) <= _positions(whole)


def _positions(fired: list[Firing]) -> set[str]:
    return {position for each in fired for position in each.positions}


def played(engine: Engine, steps: list[Step]) -> list[Any]:
    """What comes of events; in the end nothing is remembered but the incidents that are open."""
    engine.start()
    outcomes = [each for come in outside(steps) for each in engine.take(come)]
    outcomes += engine.finish(1 << 50)
    engine.finish(1 << 51)
    assert {key.partition("!")[2] for (key, _), _ in engine.evaluator.windows} <= {"incident"}
    return outcomes
