"""What a trigger waits for, said in a few words."""

from __future__ import annotations

from typing import Any

import pytest

from tests.automations.making import automation
from upshot.automations.triggers.kinds import TYPES
from upshot.services.cli.waiting import summary

A, B = {"expect": "a.done"}, {"expect": "b.done"}
METRIC = {"type": "metric", "operator": ">", "threshold": 800, "range": "5m"}
CASES: list[tuple[dict[str, Any], str]] = [
    ({**A, "threshold": 3, "within": "5m"}, "3 x a.done within 5m"),
    ({"match": {"id": "x"}}, "any event"),
    ({**A, "posture": "Proactive", "after": "b.done", "within": "1m"},
     "no a.done within 1m after b.done"),
    ({"type": "compound", "triggers": [A, {"not": B}], "within": "30m"},
     "all of (a.done, not b.done) within 30m"),
    ({"type": "compound", "require": 1, "triggers": [{"expect": ["a.done", "b.done"]}, A]},
     "1 of ((a.done, b.done), a.done)"),
    ({"type": "sequence", "triggers": [A, {"not": B}, A], "within": "2h"},
     "a.done → not b.done → a.done within 2h"),
    ({**METRIC, "metric": "value", "expect": "a.b", "value": "event.payload.ms",
      "aggregate": "p95", "firing_for": "2m"}, "p95 of event.payload.ms > 800 over 5m for 2m"),
    ({"type": "metric", "metric": "success_rate", "operator": "<", "threshold": "90%",
      "deployment": "etl/nightly", "range": "6h"}, "success_rate of etl/nightly < 0.9 over 6h"),
    ({"type": "deadline", "flow": "etl", "expect": "finished", "within": "2h", "of": "start"},
     "etl not finished within 2h of its start"),
    ({"type": "deadline", "flow": "etl", "expect": "started", "by": "07:00"},
     "etl not started by 07:00:00 UTC"),
    ({"type": "freshness", "asset": "orders", "within": "6h"}, "orders not seen for 6h"),
    ({"type": "schedule", "cron": "0 8 * * mon"}, "0 8 * * mon UTC"),
    ({"type": "schedule", "interval": "20s"}, "every 20s"),
    ({"type": "schedule", "calendar": {"weeks": 2, "at": "08:00"}},
     "every weeks 2, at 08:00:00 UTC"),
]  # fmt: skip


@pytest.mark.parametrize(("trigger", "words"), CASES, ids=[words for _, words in CASES])
def test_a_trigger_is_said_in_a_few_words(trigger: dict[str, Any], words: str) -> None:
    assert summary(automation(**trigger).model_dump(mode="json")["trigger"]) == words


def test_every_type_is_among_them() -> None:
    assert {trigger.get("type", "event") for trigger, _ in CASES} == set(TYPES)
    assert summary({"type": "of the future"}) == "of the future"
