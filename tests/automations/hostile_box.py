"""A process that tries hostile things, each in a process of its own, and tells what they took.

stdin: a JSON line ``{"kind", "source"}`` each; stdout: a JSON line ``{"outcome", "ms", "mb"}``.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from typing import Any

from pydantic import TypeAdapter

from tests.automations.hostile_cases import LOOKED_UP, VALUES
from upshot.automations.actions import Action, BaseAction
from upshot.automations.conditions.condition import ConditionExpression, judge
from upshot.automations.conditions.lookups import Question
from upshot.automations.exceptions import AutomationsError
from upshot.automations.expressions.expression import ActionExpression, Scope
from upshot.services.rendering import effort_of, process
from upshot.services.rendering.renderer import QUICK

SIZE = len(json.dumps(VALUES))


def attempt(kind: str, source: str) -> str:
    """Do what the service does with one of them; return what came of it."""
    try:
        return _KINDS[kind](source)
    except AutomationsError as error:
        return f"{type(error).__name__}: {error}"
    except ValueError as error:
        return f"refused: {error}"


def _expression(source: str) -> str:
    return str(ActionExpression(source).holds(Scope(VALUES)))


def _condition(source: str) -> str:
    """Judge a condition in as many rounds as it asks for."""
    condition = ConditionExpression(source)
    answers: dict[Question, Any] = {}
    scope = Scope({name: VALUES[name] for name in ("event", "events", "firing", "automation")})
    while (judged := judge([condition], scope, answers)).missing:
        answers |= {each: LOOKED_UP[each.function] for each in judged.missing}
    return f"ExpressionFailed: {judged.error}" if judged.error else str(judged.holds)


def _template(source: str) -> str:
    made: BaseAction = TypeAdapter[BaseAction](Action).validate_python(
        {"notify": {"to": "x", "body": source}}
    )
    effort = effort_of(made)
    if effort is not None and effort * SIZE <= QUICK:
        return str(made.render(VALUES).arguments["body"])
    request = {"action": made.model_dump(mode="json", by_alias=True), "context": VALUES}
    answer = process._rendered(request)
    if "failed" in answer:
        return f"TemplateFailed: {answer['failed']}"
    return str(answer["arguments"]["body"])


_KINDS = {"expression": _expression, "condition": _condition, "template": _template}


def _resident() -> int:
    with open("/proc/self/statm") as file:  # noqa: PTH123
        return int(file.read().split()[1]) * resource.getpagesize()


def tried(kind: str, source: str) -> dict[str, Any]:
    """Try one in a process of its own."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_CPU, (5, 5))
        os.write(writing, _resident().to_bytes(8, "big"))
        os.write(writing, attempt(kind, source)[:300].encode())
        os._exit(0)
    os.close(writing)
    told = b""
    while part := os.read(reading, 65536):
        told += part
    os.close(reading)
    _, status, usage = os.wait4(child, 0)
    code = os.waitstatus_to_exitcode(status)
    outcome = told[8:].decode() if code == 0 else f"ended by {signal.Signals(-code).name}"
    return {
        "outcome": outcome,
        "ms": (usage.ru_utime + usage.ru_stime) * 1000,
        "mb": (usage.ru_maxrss * 1024 - int.from_bytes(told[:8], "big")) / 1e6,
    }


if __name__ == "__main__":
    attempt("expression", "event.id.matches('a') || event.payload.items.exists(i, i > 0)")
    attempt("condition", "event.id.matches('a') || variable('x') == runs('*', state='Running')")
    attempt("template", "{% for i in range(3) %}{{ i }}{% endfor %}{{ event.id | upper }}")
    for line in sys.stdin:
        print(json.dumps(tried(**json.loads(line))), flush=True)
