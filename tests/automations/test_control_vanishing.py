"""No firing of the trigger vanishes, whatever is edited, paused or deleted while it is held."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.automations.controlled import rule
from tests.automations.making import event
from upshot.automations.evaluation.evaluator import Evaluator
from upshot.automations.firing import Firing
from upshot.automations.outcomes import Outcome, Resolution, Suppression

TRIGGER = {"expect": "a.done", "for_each": "id"}
VERSIONS: list[dict[str, Any]] = [
    {"control": {"debounce": {"period": 3, "key": "id"}}},
    {"control": {"debounce": {"period": 3}, "mode": "queued", "max": 2}},
    {"control": {"throttle": {"limit": 1, "per": 4, "excess": "queue"}}},
    {"control": {"throttle": {"limit": 1, "per": 4, "excess": "queue"}, "mode": "single"}},
    {"control": {"debounce": {"period": 3, "key": "id"}}, "resolve": {"expect": "b.done"}},
    {"control": {"mode": "queued", "key": "id"}, "resolve": {"expect": "b.done"}},
    {"control": {}, "enabled": False},
]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["a.done", "a.done", "a.done", "b.done", "edit", "delete"]),
        st.integers(0, 4000), st.sampled_from(["x", "y"]), st.integers(0, len(VERSIONS) - 1),
    ),
    max_size=30,
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(first=st.integers(0, len(VERSIONS) - 2), steps=STEPS)
def test_each_firing_of_the_trigger_comes_about_or_is_told_of(
    first: int, steps: list[tuple[str, int, str, int]]
) -> None:
    evaluator, at, came = Evaluator(), 1000, list[Outcome]()
    evaluator.define(rule(TRIGGER, **VERSIONS[first]), 1, 0)
    fired = 0
    for number, (what, step, thing, version) in enumerate(steps, 2):
        at += step
        came += evaluator.advance(at)
        if what == "edit":
            evaluator.define(rule(TRIGGER, **VERSIONS[version]), number, at)
        elif what == "delete":
            evaluator.remove(rule().id, at)
        else:
            fired += what == "a.done" and rule().id in evaluator
            came += evaluator.on_event(event(what, at, number, resource={"id": thing}))
    evaluator.remove(rule().id, at)
    came += evaluator.on_event(event("x.made", at + 1))
    ended = [each for each in came if isinstance(each, Suppression) and each.stage != "incident"]
    firings = [each for each in came if isinstance(each, Firing)]
    assert len(firings) + len(ended) == fired
    assert len({each.id for each in firings}) == len(firings)
    opened = {each.incident["id"] for each in firings if each.incident}
    over = [each for each in came if isinstance(each, Resolution)]
    unheard = [each for each in came if isinstance(each, Suppression) and each.stage == "incident"]
    assert len(opened) == len(over) + len(unheard)
    assert len(evaluator.windows) == 0
