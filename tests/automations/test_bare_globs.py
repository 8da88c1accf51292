"""A glob that begins with ``*`` leaves out what automations tell of themselves: no storms."""

from __future__ import annotations

from collections import deque
from typing import Any

import pytest
from pydantic_core import from_json

from tests.automations.making import automation, event, firings
from upshot.automations.definition import Automation
from upshot.automations.evaluation.evaluator import Evaluator
from upshot.automations.firing import Firing
from upshot.automations.index import Index
from upshot.automations.matching import LabelMatch, name_glob
from upshot.automations.triggers import Interest
from upshot.automations.triggers.selection import Named
from upshot.automations.trying.explanation import Explainer
from upshot.events.event import Recorded
from upshot.services.engine.outcomes import record

OWN = ["automation.fired", "automation.suppressed", "action.triggered", "action.failed"]
OTHERS = ["order.placed", "flow-run.failed", "tick", "automations.counted", "actions", "x.action.y"]


@pytest.mark.parametrize("pattern", ["*", "**", "*.failed", "*.*", "*failed", "*ion.*", "*.fired"])
def test_a_glob_that_begins_with_a_star_leaves_them_out(pattern: str) -> None:
    assert not [name for name in OWN if name_glob(pattern).fullmatch(name)]
    assert not [name for name in OWN if name in Named((pattern,))]
    index: Index[str] = Index()
    index.add("k", Interest((pattern,), LabelMatch({}), ()), "entry")
    assert not [name for name in OWN if index.candidates(name, {"id": "x"}, [])]


@pytest.mark.parametrize("name", OTHERS)
def test_a_bare_star_still_stands_for_all_the_rest(name: str) -> None:
    assert name in Named(("*",))


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("automation.*", "automation.fired"),
        ("action.failed", "action.failed"),
        ("a*.failed", "action.failed"),
        ("action*", "action.triggered"),
    ],
)
def test_whoever_names_them_gets_them(pattern: str, name: str) -> None:
    assert name in Named((pattern,))


def storm(rules: list[Automation], first: Recorded) -> list[Firing]:
    """Evaluate an event, and all that comes of it as the engine would tell it, to its end."""
    evaluator = Evaluator()
    for rule in rules:
        evaluator.define(rule, 1, 0)
    left, fired = deque([first]), list[Firing]()
    while left:
        now = firings(evaluator.on_event(left.popleft()))
        fired += now
        for each in now:
            for told in record(each, [{"notify": {}}], []).events:
                at = 10_000 + len(fired) * 10 + len(left)
                left.append(Recorded(f"{at}-0", at, _body(told), own=True))
        assert len(fired) < 100, "a storm"
    return fired


def _body(told: bytes) -> dict[str, Any]:
    return from_json(told)  # type: ignore[no-any-return]


def test_one_event_makes_four_automations_on_everything_fire_four_times() -> None:
    rules = [automation(f"on everything {n}", expect=["*"]) for n in range(4)]
    fired = storm(rules, event("order.placed", 1_000))
    assert sorted(each.automation for each in fired) == sorted(each.name for each in rules)


def test_an_explanation_says_why_a_star_does_not_fit() -> None:
    explainer = Explainer(automation(expect=["*"]), 0)
    explained = explainer.explain(event("action.failed", 1_000))
    assert (explained.fired, explained.reason) == (False, "event_not_expected")
    assert "action.* has to be named" in explained.tree.detail
