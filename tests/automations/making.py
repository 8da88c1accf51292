"""Makes automations and recorded events for the tests of this room."""

from __future__ import annotations

from typing import Any

from upshot.automations.definition import Automation
from upshot.automations.evaluation.evaluator import Evaluator
from upshot.automations.firing import Firing
from upshot.automations.outcomes import Outcome, Suppression
from upshot.events.event import Recorded

ACTIONS: list[dict[str, Any]] = [{"retry-flow-run": {}}]


def automation(name: str = "one", *, enabled: bool = True, **trigger: Any) -> Automation:
    return Automation.model_validate(
        {"name": name, "enabled": enabled, "trigger": trigger, "actions": ACTIONS}
    )


def event(name: str, at: int, sequence: int = 0, **more: Any) -> Recorded:
    """An event received at ``at`` ms; ``id`` sets the resource's id, other labels likewise."""
    labels = {"id": "thing.1", **more.pop("resource", {})}
    body = {
        "id": f"e-{at}-{sequence}",
        "event": name,
        "occurred": "2026-11-20T07:00:00Z",
        "resource": labels,
        "related": more.pop("related", []),
        "payload": more.pop("payload", {}),
        "follows": None,
        **more,
    }
    return Recorded(f"{at}-{sequence}", at, body)


def feed(evaluator: Evaluator, *events: Recorded) -> list[Outcome]:
    return [outcome for each in events for outcome in evaluator.on_event(each)]


def told(outcomes: list[Outcome]) -> list[tuple[str, str, int]]:
    """What came out: (reason, bucket, at)."""
    both = [each for each in outcomes if isinstance(each, Firing | Suppression)]
    return [(each.reason.value, each.bucket, each.at) for each in both]


def firings(outcomes: list[Outcome]) -> list[Firing]:
    return [each for each in outcomes if isinstance(each, Firing)]


def suppressions(outcomes: list[Outcome]) -> list[Suppression]:
    return [each for each in outcomes if isinstance(each, Suppression)]
