"""Plays triggers over events written in a line: ``A1 B2:x(n=3,.env=prod,^flow=etl) |10``.

``A1`` is ``a.done`` at second 1, ``fail2:r`` is ``flow-run.failed`` of ``flow-run.r`` at second 2,
``|10`` is the log read past second 10. In brackets: payload, ``.`` labels, ``^`` related by role.
"""

from __future__ import annotations

import json
import re
from typing import Any

from tests.automations.making import automation, event, told
from upshot.automations.evaluation.evaluator import Evaluator
from upshot.automations.logtime import OpenTime
from upshot.automations.outcomes import Outcome
from upshot.events.event import Recorded

RUNS = {
    "sched": "scheduled", "pend": "pending", "run": "running", "pause": "paused",
    "ok": "completed", "fail": "failed", "crash": "crashed", "cancel": "cancelled",
    "stop": "cancelling",
}  # fmt: skip
_TOKEN = re.compile(r"([a-z]+|[A-Z])([\d.]+)(?::([\w.-]+))?(?:\((.*)\))?")


def play(trigger: dict[str, Any], line: str, gaps: list[tuple[int, int]] | None = None) -> str:
    """Return when the trigger fired, in seconds: ``1 3:bucket``."""
    return played(outcomes(trigger, line, gaps))


def played(found: list[Outcome]) -> str:
    """Return when what came out came, in seconds."""
    fired = []
    for _, bucket, at in told(found):
        second = f"{at / 1000:g}"
        fired.append(f"{second}:{bucket}" if bucket else second)
    return " ".join(fired)


def outcomes(
    trigger: dict[str, Any], line: str, gaps: list[tuple[int, int]] | None = None
) -> list[Outcome]:
    evaluator = Evaluator(OpenTime([(1000 * a, 1000 * b) for a, b in gaps or []]))
    evaluator.define(automation(**trigger), 1, 0)
    return run(evaluator, line)


def run(evaluator: Evaluator, line: str, first: int = 0) -> list[Outcome]:
    found: list[Outcome] = []
    for number, token in enumerate(line.split(), first):
        if token.startswith("|"):
            found += evaluator.advance(round(float(token[1:]) * 1000) + 1)
        else:
            found += evaluator.on_event(_event(token, number))
    return found


def _event(token: str, number: int) -> Recorded:
    match = _TOKEN.fullmatch(token)
    assert match is not None, token
    kind, second, thing, details = match.groups()
    labels: dict[str, str] = {"id": thing or "thing.1"}
    name = f"{kind.lower()}.done"
    if kind in RUNS:
        name, labels["id"] = f"flow-run.{RUNS[kind]}", f"flow-run.{thing or '1'}"
    payload: dict[str, Any] = {}
    related = []
    for part in (details or "").split(",") if details else []:
        key, _, value = part.partition("=")
        if key.startswith("."):
            labels[key[1:]] = value
        elif key.startswith("^"):
            related.append({"id": f"{key[1:]}.{value}", "role": key[1:], "name": value})
        else:
            payload[key] = _plain(value)
    at = round(float(second) * 1000)
    return event(name, at, number, resource=labels, payload=payload, related=related)


def _plain(value: str) -> Any:
    """Read a JSON value; ``@7`` is the moment of second 7."""
    if value.startswith("@"):
        return f"1970-01-01T00:00:{float(value[1:]):06.3f}Z"
    try:
        return json.loads(value)
    except ValueError:
        return value
