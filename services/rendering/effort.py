"""How much work the templates of an action are, as far as that can be told before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from upshot.automations.actions import BaseAction
from upshot.automations.templates.template import Template


def effort_of(action: BaseAction) -> int | None:
    """Return how many operations on values an action's templates take; None where none can tell."""
    efforts = [template.effort for template in _templates(list(vars(action).values()))]
    return None if None in efforts else sum(each for each in efforts if each is not None)


def _templates(value: Any) -> Iterator[Template]:
    if isinstance(value, Template):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _templates(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _templates(each)
