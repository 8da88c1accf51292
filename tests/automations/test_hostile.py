"""Hostile expressions and templates fail alone, soon and within 32 MB of their own."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from tests.automations.hostile_cases import CONDITIONS, EXPRESSIONS, TEMPLATES, VALUES
from tests.automations.making import automation, event, feed, firings
from upshot.automations.evaluation.evaluator import Evaluator
from upshot.automations.logtime import OpenTime
from upshot.events.event import Recorded

LINUX = sys.platform == "linux"
MOST_MS, MOST_MB, TRIES = 500, 32, 5
"""What is let run is ended after 70 ms of processor time; slow machines take longer around that."""


@pytest.fixture(scope="module")
def box() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.automations.hostile_box"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as running:
        yield running
        assert running.stdin is not None
        running.stdin.close()


def tried(box: subprocess.Popen[str], kind: str, source: str) -> dict[str, Any]:
    """The best of some tries: other programs of this machine cost a process time, too."""
    assert box.stdin is not None
    assert box.stdout is not None
    told: dict[str, Any] = {}
    for _ in range(TRIES):
        box.stdin.write(json.dumps({"kind": kind, "source": source}) + "\n")
        box.stdin.flush()
        told = json.loads(box.stdout.readline())
        if told["ms"] <= MOST_MS:
            break
    return told


def name(source: str) -> str:
    return source[:60]


@pytest.mark.skipif(not LINUX, reason="memory is read from /proc")
@pytest.mark.parametrize("source", EXPRESSIONS, ids=name)
def test_a_hostile_expression_is_refused_or_fails_soon(
    box: subprocess.Popen[str], source: str
) -> None:
    told = tried(box, "expression", source)
    assert told["ms"] <= MOST_MS, told
    assert told["mb"] <= MOST_MB, told
    assert told["outcome"].startswith(("InvalidExpression", "ExpressionFailed", "True", "False"))


@pytest.mark.skipif(not LINUX, reason="memory is read from /proc")
@pytest.mark.parametrize("source", CONDITIONS, ids=name)
def test_a_hostile_condition_is_refused_or_fails_soon(
    box: subprocess.Popen[str], source: str
) -> None:
    told = tried(box, "condition", source)
    assert told["ms"] <= MOST_MS, told
    assert told["mb"] <= MOST_MB, told
    assert told["outcome"].startswith(("InvalidExpression", "ExpressionFailed", "True", "False"))


@pytest.mark.skipif(not LINUX, reason="memory is read from /proc")
@pytest.mark.parametrize("source", TEMPLATES, ids=name)
def test_a_hostile_template_is_refused_or_fails_soon(
    box: subprocess.Popen[str], source: str
) -> None:
    told = tried(box, "template", source)
    assert told["ms"] <= MOST_MS, told
    assert told["mb"] <= MOST_MB, told
    assert not told["outcome"].startswith("ended by") or "SIGPROF" in told["outcome"], told
    assert "Traceback" not in told["outcome"]


ESCAPES = list(TEMPLATES[: TEMPLATES.index("{{ 'a' * 10**9 }}")])


@pytest.mark.skipif(not LINUX, reason="memory is read from /proc")
@pytest.mark.parametrize("source", ESCAPES, ids=name)
def test_no_template_breaks_out_or_changes_what_others_see(
    box: subprocess.Popen[str], source: str
) -> None:
    outcome = tried(box, "template", source)["outcome"]
    assert outcome.startswith(("refused", "TemplateFailed")), outcome


def test_there_are_more_than_enough_of_them() -> None:
    assert len(set(EXPRESSIONS)) >= 80
    assert len(set(TEMPLATES)) >= 100
    assert len(set(CONDITIONS)) >= 40


def conditions() -> dict[str, Any]:
    """Return the automations of all hostile conditions that are not refused when written."""
    made = {}
    for number, source in enumerate(EXPRESSIONS):
        try:
            made[source] = automation(f"hostile {number}", expect=["order.placed"], where=source)
        except ValidationError:
            continue
    return made


def test_hostile_conditions_leave_the_others_alone() -> None:
    evaluator = Evaluator(OpenTime([]))
    kept = conditions()
    assert len(kept) > 30
    for number, each in enumerate(kept.values()):
        evaluator.define(each, 1, 0)
        evaluator.define(automation(f"innocent {number}", expect=["order.placed"]), 1, 0)
    payload = copy.deepcopy(VALUES["event"]["payload"])
    happened = [hostile_event(1000 + n, payload) for n in range(2)]
    fired = firings(feed(evaluator, *happened))
    innocent = [each for each in fired if each.automation.startswith("innocent")]
    assert len(innocent) == 2 * len(kept)
    assert payload == VALUES["event"]["payload"]


def hostile_event(at: int, payload: dict[str, Any]) -> Recorded:
    return event("order.placed", at, payload=payload)
