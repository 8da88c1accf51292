"""What control ends is told once a minute of each kind, however many kinds there are."""

from __future__ import annotations

from typing import Any

from tests.automations.controlled import evaluating, play, rule
from tests.automations.making import ACTIONS, event, feed, suppressions
from upshot.automations.control.telling import EVERY, MOST, Telling
from upshot.automations.firing import Firing
from upshot.services.engine.telling import suppressed_event


def test_one_a_minute_speaks_for_those_before_it() -> None:
    telling = Telling()
    kind = ("a", "throttled", "")
    assert [telling.tells(kind, at) for at in (0, 1, EVERY - 1, EVERY, EVERY + 1)] == [
        1, 0, 0, 3, 0,
    ]  # fmt: skip


def test_ever_new_keys_do_not_flood_the_log() -> None:
    telling = Telling()
    told = [telling.tells(("a", "throttled", str(n)), n // 1000) for n in range(5 * MOST)]
    assert sum(each > 0 for each in told) == MOST + 1
    assert telling.tells(("a", "throttled", "one more"), EVERY + 10) == 1
    assert telling.tells(("a", "throttled", ""), EVERY + 10) == 4 * MOST


def test_what_was_held_is_told_with_the_way_that_led_there() -> None:
    way = {"chain": ["e0"], "depth": 1, "automations": {"another": 1}}
    evaluator = evaluating(rule(control={"debounce": {"period": 5}}))
    first = event("a.done", 1000, causation=way)
    (debounced,) = suppressions(feed(evaluator, first, event("a.done", 2000)))
    told = suppressed_event(debounced)
    assert told is not None
    assert told.follows == first.id
    assert told.causation is not None
    assert told.causation.automations == {"another": 1}


def test_what_is_held_ends_with_its_bucket() -> None:
    trigger = {"expect": "a.done", "for_each": "id"}
    resolve: dict[str, Any] = {"resolve": {"expect": "b.done"}, "on_resolve": ACTIONS}
    debounce, batch = {"period": 5, "key": "id"}, {"max_size": 9, "timeout": 9, "key": "id"}
    queue = {"limit": 1, "per": 9, "excess": "queue"}
    came = {
        "debounced": play(
            "A1:x A2:y B3:x A4:y B5:x |20", trigger, control={"debounce": debounce}, **resolve
        ),
        "batched": play("A1:x A2:x A3:y B4:x |20", trigger, control={"batch": batch}, **resolve),
        "throttled": play(
            "A1:x A2:x A3:y B4:x |30", trigger, control={"throttle": queue}, **resolve
        ),
        "queued": play(
            "A1:x A2:x A3:y B4:x |30", trigger, takes=10, control={"mode": "queued"}, **resolve
        ),
        "of several": play(
            "A1:x A2:y B4:y |30", trigger, control={"batch": {"max_size": 9, "timeout": 9}},
            **resolve,
        ),
    }  # fmt: skip
    assert came == {
        "debounced": "3!resolved 2!debounced 9",
        "batched": "4!resolved 12",
        "throttled": "1 4!resolved 4~resolved 4>on_resolve 10",
        "queued": "1 4!resolved 4~resolved 4>on_resolve 11",
        "of several": "10x2",
    }


def test_what_is_held_elsewhere_ends_with_its_bucket_too() -> None:
    """The key is of the event that came, not of the one that says that it is over."""
    held = {"debounce": {"period": 5, "key": "payload.site"}}
    line = "A1:x(site=1) A1:y(site=2) B3:x(site=7) |20"
    trigger = {"expect": "a.done", "for_each": "id"}
    assert play(line, trigger, control=held, resolve={"expect": "b.done"}) == "3!resolved 6"


def test_what_is_told_when_a_budget_is_used_up_stops_nothing() -> None:
    budget = {"max": 1, "within": "1h", "then": ACTIONS}
    evaluator = evaluating(rule(control={"mode": "restart"}, budget=budget))
    outcomes = feed(evaluator, event("a.done", 1000), event("a.done", 2000))
    first, second = (each for each in outcomes if isinstance(each, Firing))
    assert (first.branch, first.replaces, first.stoppable) == ("actions", (), True)
    assert (second.branch, second.replaces, second.stoppable) == ("then", (), False)
