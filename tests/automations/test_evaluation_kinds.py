"""Random automations of all kinds: live is replay, nothing fires twice, and memory is bounded."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.automations.making import automation, event, firings
from upshot.automations.definition import Automation
from upshot.automations.evaluation.evaluator import Evaluator
from upshot.automations.logtime import OpenTime
from upshot.automations.outcomes import Outcome
from upshot.events.event import Recorded

NAMES = st.sampled_from(["a.done", "b.done", "c.done"])
KEYS = st.sampled_from([[], ["id"], ["name"], ["id", "payload.n"]])
SPANS = st.integers(1, 8)


def _with(**fields: Any) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {name: each if isinstance(each, st.SearchStrategy) else st.just(each)
         for name, each in fields.items()}
    )  # fmt: skip


REACTIVE = _with(
    expect=st.lists(NAMES, min_size=1, max_size=2), threshold=st.integers(1, 3), within=SPANS,
    for_each=KEYS, after=st.lists(NAMES, max_size=1),
)  # fmt: skip
PROACTIVE = REACTIVE.map(lambda trigger: {**trigger, "posture": "Proactive"})
COUNTS = _with(
    type="metric", metric="event_count", expect=NAMES, operator=st.sampled_from(["<", ">="]),
    threshold=st.integers(1, 3), range=SPANS, firing_for=st.integers(0, 3), for_each=KEYS,
)  # fmt: skip
VALUES = _with(
    type="metric", metric="value", expect=NAMES, value="event.payload.n", range=SPANS,
    aggregate=st.sampled_from(["avg", "min", "max", "sum", "p90"]), threshold=st.integers(0, 9),
    operator=st.sampled_from(["<", ">"]), firing_for=st.integers(0, 3), for_each=KEYS,
    at_least=st.integers(1, 3),
)  # fmt: skip
RATES = _with(
    type="metric", metric=st.sampled_from(["success_rate", "failure_count", "queue_depth"]),
    operator=st.sampled_from(["<", ">"]), threshold=st.sampled_from([0, 0.5, 1]), range=SPANS,
    firing_for=st.integers(0, 3),
)  # fmt: skip
DEADLINES = _with(
    type="deadline", match={"id": "*"}, expect=st.sampled_from(["started", "finished"]),
    within=SPANS,
)  # fmt: skip
FRESHNESS = _with(type="freshness", expect=NAMES, within=SPANS, for_each=KEYS)
SCHEDULES = _with(type="schedule", interval=st.integers(1, 9))
LEAVES = st.one_of(
    _with(expect=NAMES), REACTIVE, PROACTIVE, COUNTS, VALUES, RATES, DEADLINES, FRESHNESS, SCHEDULES
)


def _composites(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    shared = {"within": SPANS, "for_each": KEYS}
    parts = st.lists(inner, min_size=1, max_size=3)
    with_not = st.tuples(
        parts, st.lists(inner.map(lambda each: {"not": each}), max_size=1)
    ).flatmap(lambda both: st.permutations(both[0] + both[1]))
    return st.one_of(
        _with(type="compound", triggers=with_not, require=st.sampled_from(["any", "all", 1]),
              **shared),
        _with(type="sequence", triggers=with_not, **shared),
    )  # fmt: skip


TRIGGERS = st.recursive(LEAVES, _composites, max_leaves=4)
STEPS = st.lists(
    st.tuples(
        st.one_of(NAMES, st.sampled_from(["flow-run." + s for s in
                                          ("scheduled", "running", "completed", "failed")])),
        st.integers(0, 4),
        st.sampled_from(["x", "y"]),
        st.sampled_from([{}, {"name": "n"}]),
        st.sampled_from([{}, {"n": 1}, {"n": 7}]),
    ),
    max_size=25,
)  # fmt: skip
START, END = 1_000_000, 1_200_000


def _recorded(steps: list[Any]) -> list[Recorded]:
    events, at = [], START
    for number, (name, wait, identity, labels, payload) in enumerate(steps):
        at += wait * 700
        resource = {**labels, "id": identity}
        events.append(event(name, at, number, resource=resource, payload=payload))
    return events


def _automations(triggers: list[Any]) -> list[Automation]:
    return [automation(f"n{number}", **each) for number, each in enumerate(triggers)]


def _fresh(automations: list[Automation], gaps: list[tuple[int, int]]) -> Evaluator:
    evaluator = Evaluator(OpenTime(gaps))
    for each in automations:
        evaluator.define(each, 1, START - 500)
    return evaluator


def _told(outcomes: list[Outcome]) -> list[Any]:
    assert len(firings(outcomes)) == len(outcomes)
    return [(each.id, each.at, each.positions, each.value, each.bucket)
            for each in firings(outcomes)]  # fmt: skip


@settings(max_examples=120, deadline=None)
@given(
    triggers=st.lists(TRIGGERS, min_size=1, max_size=3),
    steps=STEPS,
    cuts=st.sets(st.integers(0, 25)),
    ticks=st.sets(st.integers(0, 25)),
    gaps=st.lists(
        st.tuples(st.integers(START, END), st.integers(0, 20_000)).map(lambda g: (g[0], sum(g))),
        max_size=2,
    ),
)
def test_a_replay_that_is_interrupted_anywhere_fires_the_same_and_nothing_twice(
    triggers: list[Any], steps: list[Any], cuts: set[int], ticks: set[int], gaps: list[Any]
) -> None:
    automations, events = _automations(triggers), _recorded(steps)
    whole = _fresh(automations, gaps)
    outcomes = [each for one in events for each in whole.on_event(one)] + whole.advance(END)
    expected = _told(outcomes)
    assert len({each[0] for each in expected}) == len(expected)

    evaluator, kept, found = _fresh(automations, gaps), {}, []
    for number, one in enumerate(events):
        if number in cuts:
            kept.update(evaluator.take_changes())
            evaluator = _fresh(automations, gaps)
            for (node, bucket), body in kept.items():
                assert body is None or evaluator.restore_window(node, bucket, body)
        if number in ticks:
            found += evaluator.advance(one.received)
        found += evaluator.on_event(one)
    assert _told(found + evaluator.advance(END)) == expected


@settings(max_examples=60, deadline=None)
@given(triggers=st.lists(TRIGGERS, min_size=1, max_size=3), steps=STEPS)
def test_what_is_kept_is_what_is_open_and_timers_are_bounded_by_it(
    triggers: list[Any], steps: list[Any]
) -> None:
    evaluator = _fresh(_automations(triggers), [])
    kept = evaluator.take_changes()
    for one in _recorded(steps):
        evaluator.on_event(one)
        kept.update(evaluator.take_changes())
    still = {key: body for key, body in kept.items() if body is not None}
    assert still == {key: window.to_json() for key, window in evaluator.windows}
    assert sum(map(len, evaluator.windows._timers)) <= 2 * len(evaluator.windows) + 3 * 1024


@settings(max_examples=60, deadline=None)
@given(
    triggers=st.lists(TRIGGERS.filter(lambda each: "schedule" not in str(each)), min_size=1,
                      max_size=2),
    steps=STEPS,
    gap=st.tuples(st.integers(0, 12_000), st.integers(1, 9_000)),
)  # fmt: skip
def test_a_gap_that_is_learnt_as_it_ends_counts_as_one_known_all_along(
    triggers: list[Any], steps: list[Any], gap: tuple[int, int]
) -> None:
    automations, events = _automations(triggers), _recorded(steps)
    start, end = START + gap[0], START + sum(gap)
    known, learning = _fresh(automations, [(start, end)]), _fresh(automations, [])
    found, expected = [], []
    for one in events:
        expected += known.on_event(one)
        if one.received > end:
            learning.hold(None)
            learning.note_gap(start, end)
        elif one.received > start:
            learning.hold(start)
        found += learning.on_event(one)
    learning.hold(None)
    learning.note_gap(start, end)
    expected += known.advance(END)
    found += learning.advance(END)
    assert sorted(_told(found)) == sorted(_told(expected))


@settings(max_examples=40, deadline=None)
@given(triggers=st.lists(TRIGGERS, min_size=1, max_size=3), steps=STEPS)
def test_an_unchanged_definition_keeps_everything_and_a_removed_one_leaves_nothing(
    triggers: list[Any], steps: list[Any]
) -> None:
    automations, events = _automations(triggers), _recorded(steps)
    once, again = _fresh(automations, []), _fresh(automations, [])
    expected, found = [], []
    for one in events:
        expected += once.on_event(one)
        for each in automations:
            again.define(each.model_copy(update={"description": one.id}), 1, one.received)
        found += again.on_event(one)
    assert _told(found) == _told(expected)
    for each in automations:
        again.remove(each.id, 0)
    assert len(again.windows) == 0
    assert again.advance(END) == []
    assert again.next_deadline() is None
