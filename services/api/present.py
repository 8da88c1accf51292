"""Answers what conditions look up with what there is now, for code that runs beside the loop.

Who decides is plain code that asks in the middle of it: so it runs in a thread, the loop answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, ParamSpec, TypeVar

from upshot.automations.conditions.condition import Answers
from upshot.automations.conditions.lookups import Question
from upshot.automations.definition import Automation
from upshot.automations.evaluation.answering import Answerer, Remembered, looks_up

from ..engine.lookups import Lookups
from .parts import Parts

P = ParamSpec("P")
T = TypeVar("T")

AS_OF_NOW: Final = {"lookups": "as of now"}
"""What an answer says where conditions looked things up for what happened in the past."""

_PATIENCE: Final = 30.0  # seconds


def present(parts: Parts, now: int) -> Answerer:
    """Return what answers each question once, as of ``now`` (Unix ms); call it from a thread."""
    loop, lookups = asyncio.get_running_loop(), Lookups(parts.store)

    def answer(questions: Sequence[Question], at: int) -> Answers:
        asked = asyncio.run_coroutine_threadsafe(lookups.answer(questions, now), loop)
        return asked.result(_PATIENCE)

    return Remembered(answer)


async def beside(
    automation: Automation, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs
) -> T:
    """Call a function in a thread if the automation's conditions may ask, else where we are."""
    if looks_up(automation):
        return await asyncio.to_thread(function, *args, **kwargs)
    return function(*args, **kwargs)


def told(*automations: Automation) -> dict[str, str]:
    """Return what an answer says of look-ups, if any of these make some."""
    return AS_OF_NOW if any(looks_up(each) for each in automations) else {}
