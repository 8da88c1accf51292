"""Live, backtest and the tests beside a rule come to the same firings, over the same events."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.services.engines import defined, engine, event, firings, place, settled
from upshot.automations.definition import Automation
from upshot.automations.testcases import TestCase
from upshot.automations.trying.backtest import Backtest
from upshot.automations.trying.testing import run_one
from upshot.events.event import Event, Recorded
from upshot.events.log import Log
from upshot.events.store import Store
from upshot.services.definitions.planning import Verb

PAST = (int(time.time()) - 7200) * 1000
"""A moment of the log long ago, in ms: all of it is over when the engine reads it."""

A, B, C = ({"expect": [f"{letter}.done"]} for letter in "abc")
EACH = {"for_each": ["id"]}
RULES: dict[str, dict[str, Any]] = {
    "counts": {"trigger": {**A, **EACH, "threshold": 3, "within": "20s"}},
    "absent": {
        "trigger": {**B, **EACH, "posture": "Proactive", "after": ["a.done"], "within": "9s"}
    },
    "both": {
        "trigger": {"type": "compound", "triggers": [A, B, {"not": C}], "within": "15s", **EACH}
    },
    "in order": {"trigger": {"type": "sequence", "triggers": [A, B, C], "within": "40s"}},
    "measured": {
        "trigger": {"type": "metric", "metric": "value", "operator": ">", "threshold": 5,
                    "expect": ["*.done"], "value": "event.payload.n", "range": "10s"}
    },
    "settles": {"trigger": A, "control": {"debounce": {"period": "4s", "key": "id"}}},
    "batched": {"trigger": B, "control": {"batch": {"max_size": 4, "timeout": "10s"}}},
    "throttled": {
        "trigger": A,
        "control": {"throttle": {"limit": 1, "per": "7s", "excess": "queue"}},
        "conditions": ["event.payload.n > 1"],
    },
    "bounded": {
        "trigger": C,
        "budget": {"max": 2, "per": "id", "within": "1m",
                   "then": [{"notify": {"to": "me", "title": "enough"}}]},
    },
    "lasting": {
        "trigger": {**A, **EACH},
        "control": {"debounce": {"period": "3s", "key": "payload.n"}},
        "conditions": ["event.payload.n > 2 && size(events) == 1"],
        "resolve": B, "on_resolve": [{"notify": {"to": "me", "title": "over"}}],
    },
    "incidents": {
        "trigger": {**A, **EACH}, "resolve": B,
        "on_resolve": [{"notify": {"to": "me", "title": "over"}}],
    },
}  # fmt: skip


def rule(name: str) -> dict[str, Any]:
    actions = [{"notify": {"to": "me", "title": "{{ event.resource.id if event else '-' }}"}}]
    return {"name": name, "actions": actions, **RULES[name]}


def happened(seed: int) -> list[tuple[int, Event]]:
    """Return events with the ms at which they come, a few at the same one."""
    chance, at = random.Random(seed), PAST + 1000
    found = []
    for number in range(250):
        at += chance.choice((0, 1, 400, 1500, 4000))
        name, thing = chance.choice("aaabbc"), chance.choice("xyz")
        told = event(f"{name}.done", f"e{number}", resource={"id": thing})
        found.append((at, told.model_copy(update={"payload": {"n": chance.randrange(10)}})))
    return found


def what(firing: dict[str, Any]) -> tuple[Any, ...]:
    names = ("branch", "reason", "bucket", "at", "positions", "batch", "value")
    return tuple(str(firing[name]) for name in names)


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_the_engine_fires_as_a_backtest_says(store: Store, seed: int) -> None:
    for name in RULES:
        await place(store, PAST, defined(rule(name), name, Verb.CREATED, 1), own=True)
    for at, told in happened(seed):
        await place(store, at, told)
    async with engine(store):
        await settled(store)
    live: dict[str, list[dict[str, Any]]] = {name: [] for name in RULES}
    for firing in await firings(store):
        live[firing["automation"]].append(firing)
    log = [each for each in await Log(store).range(limit=10_000) if each.name.endswith(".done")]
    for name, fired in live.items():
        backtest = Backtest(Automation.model_validate(rule(name)), PAST, limit=10_000)
        backtest.feed(log)
        result = backtest.finish(int(time.time() * 1000))
        assert sorted(map(what, fired)) == sorted(map(what, result.firings)), name
        assert fired, name
        assert result.failed == 0


@pytest.mark.parametrize("name", RULES)
def test_the_tests_beside_a_rule_expect_what_a_backtest_says(name: str) -> None:
    start = datetime.fromtimestamp(PAST / 1000, UTC)
    given, until = happened(4), 3600_000
    case = {
        "name": "all of it",
        "start": start,
        "until": timedelta(milliseconds=until),
        "events": [
            {
                "at": timedelta(milliseconds=at - PAST),
                **told.model_dump(include={"id", "event", "resource", "payload"}),
            }
            for at, told in given
        ],
    }
    automation = Automation.model_validate(rule(name))
    found = Backtest(automation, PAST, limit=1000)
    found.feed(recorded(given))
    expect = [
        {"at": timedelta(milliseconds=each["at"] - PAST), "reason": each["reason"]}
        for each in found.finish(PAST + until + 1).firings
    ]
    ended = run_one(automation, TestCase.model_validate({**case, "expect": expect}))
    assert ended.problems == ()
    assert expect


def recorded(given: list[tuple[int, Event]]) -> list[Recorded]:
    return [
        Recorded(f"{at}-{number}", at, told.model_dump(mode="json"))
        for number, (at, told) in enumerate(given)
    ]
